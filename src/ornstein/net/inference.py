"""A network whose weights no longer change: cast once, and its blocks in fewer passes over memory.

Nothing here is another network: each part computes what the part it stands for computes, and the tests hold them
together. Training wants other code, which a compiler can fuse and which keeps what the backward pass needs.
"""

from __future__ import annotations

import copy
from itertools import chain

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ornstein.net.attention import EPSILON
from ornstein.net.blocks import Block

PRODUCTS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers whose weights autocast casts at every call."""


def for_inference(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of `network` that computes the same under ``torch.autocast(..., dtype)``, sooner; without gradients.

    The weights of products are cast once; all others are shared with `network`. On the CPU every ``Block`` is run by
    an ``InferenceBlock``; a GPU's fused kernels have less to gain. Bits may differ, as they do between two kernels.

    Args:
        network: any module, left as it is. Whether its later changes reach the copy is undefined: make another one.
        dtype: of the products.
    """
    _keep_freed_memory()
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    made = copy.deepcopy(network, shared).eval()
    for module in made.modules():
        if isinstance(module, PRODUCTS):
            for name, weight in list(module.named_parameters(recurse=False)):
                setattr(module, name, nn.Parameter(weight.detach().to(dtype), requires_grad=False))
    return _with_inference_blocks(made)


def _with_inference_blocks(module: nn.Module) -> nn.Module:
    if isinstance(module, Block) and module.offsets.device.type == "cpu":
        return InferenceBlock(module)
    for name, child in module.named_children():
        setattr(module, name, _with_inference_blocks(child))
    return module


def _keep_freed_memory() -> None:
    """Have the C library keep the memory that layers free, where it would return it and then zero it page by page.

    glibc keeps up to twice the largest block freed so far, of those up to 32 MB (mallopt(3), M_TRIM_THRESHOLD). This
    block is never written, so it costs nothing; without it a batch spends up to a quarter of its time on zeroed pages.
    """
    torch.empty(31 << 20, dtype=torch.uint8, device="cpu")


class InferenceBlock(nn.Module):
    """Runs a ``Block`` on the CPU, where a pass over memory takes as long as a thousand products a number.

    What is not a product stays in float32, which the processor also handles sooner than bfloat16.
    """

    def __init__(self, block: Block) -> None:
        super().__init__()
        attention = block.attention
        self.heads, self.qkv, self.out = attention.heads, attention.qkv, attention.out
        self.feed_forward, self.offsets = block.feed_forward, block.offsets
        share = (
            attention.out.in_features // self.heads
        ) ** -0.5  # of the scores, here in the queries already
        scales = torch.stack([attention.query_scale * share, attention.key_scale])
        self.register_buffer("scales", scales[:, None].detach())
        self.scales: Tensor

    def forward(
        self,
        x: Float[Tensor, "rows tokens width"],
        modulation: Float[Tensor, "rows #tokens 6 width"],
        rotation: tuple[Float[Tensor, "rows 1 tokens half"], Float[Tensor, "rows 1 tokens half"]],
        mask: Bool[Tensor, "rows 1 1 tokens"] | None,
    ) -> Float[Tensor, "rows tokens width"]:
        """As ``Block``; `x` is not changed."""
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = (modulation + self.offsets).unbind(-2)
        x = torch.addcmul(x, gate_a, self._attention(_modulate(x, shift_a, scale_a), rotation, mask))
        gate, value = self.feed_forward.into(_modulate(x, shift_f, scale_f)).chunk(2, dim=-1)
        return x.addcmul_(gate_f, self.feed_forward.out(F.silu(gate).mul_(value)))

    def _attention(
        self,
        x: Float[Tensor, "rows tokens width"],
        rotation: tuple[Float[Tensor, "rows 1 tokens half"], Float[Tensor, "rows 1 tokens half"]],
        mask: Bool[Tensor, "rows 1 1 tokens"] | None,
    ) -> Float[Tensor, "rows tokens width"]:
        rows, tokens, width = x.shape
        qkv = self.qkv(x).view(rows, tokens, 3, self.heads, -1)
        query, key = self._turned(qkv[:, :, :2], rotation).flatten(1, 2)
        value = qkv[:, :, 2].transpose(1, 2).flatten(0, 1)
        scores = torch.baddbmm(self._bias(mask, query), query, key.mT)
        mixed = torch.bmm(scores.softmax(dim=-1, dtype=torch.float32).to(qkv.dtype), value)
        return self.out(mixed.unflatten(0, (rows, self.heads)).transpose(1, 2).reshape(rows, tokens, width))

    def _turned(
        self,
        both: Float[Tensor, "rows tokens 2 heads channels"],
        rotation: tuple[Float[Tensor, "rows 1 tokens half"], Float[Tensor, "rows 1 tokens half"]],
    ) -> Float[Tensor, "2 rows heads tokens channels"]:
        """Queries and keys, normalised, scaled and rotated, in the order and the dtype of the products."""
        wide = both.float()
        first, second = (wide * _inverse_rms(wide)).mul_(self.scales).chunk(2, dim=-1)
        cosine, sine = (part[:, 0, :, None, None] for part in rotation)
        rows, tokens, two, heads, channels = both.shape
        made = both.new_empty(two, rows, heads, tokens, channels)
        lower, upper = made.permute(1, 3, 0, 2, 4).chunk(2, dim=-1)
        torch.addcmul(first * cosine, second, sine, value=-1, out=lower)
        torch.addcmul(first * sine, second, cosine, out=upper)
        return made

    def _bias(
        self, mask: Bool[Tensor, "rows 1 1 tokens"] | None, query: Float[Tensor, "all tokens channels"]
    ) -> Float[Tensor, "#all 1 #tokens"]:
        """What is added to scores: minus infinity where nothing may be attended to."""
        if mask is None:
            return query.new_zeros(1, 1, 1)
        bias = query.new_zeros(mask.shape).masked_fill_(~mask, -torch.inf)
        return bias.expand(-1, self.heads, -1, -1).flatten(0, 1)


def _modulate(
    x: Float[Tensor, "rows tokens width"],
    shift: Float[Tensor, "rows #tokens width"],
    scale: Float[Tensor, "rows #tokens width"],
) -> Float[Tensor, "rows tokens width"]:
    return torch.addcmul(shift, x * _inverse_rms(x), 1 + scale)


def _inverse_rms(x: Float[Tensor, "*shape width"]) -> Float[Tensor, "*shape 1"]:
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return norm.square_().div_(x.shape[-1]).add_(EPSILON).rsqrt_()
