"""A network whose weights no longer change: cast once, and its blocks in fewer passes over memory.

Nothing here is another network: each part computes what the part it stands for computes, and the tests hold them
together. Training wants other code, which a compiler can fuse and which keeps what the backward pass needs.
"""

from __future__ import annotations

import copy
from itertools import chain

import torch
from jaxtyping import Bool, Complex, Float, Shaped
from torch import Tensor, nn

from ornstein.net.attention import EPSILON
from ornstein.net.blocks import Block, Stack
from ornstein.net.packed import PackedLinear

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def for_inference(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of `network` that computes the same under ``torch.autocast(..., dtype)``, sooner; without gradients.

    The weights of products are cast once; all others are shared with `network`. On the CPU every ``Block`` is run by
    an ``InferenceBlock`` and every linear layer by a ``PackedLinear``, which keeps its own copy of the weights; a GPU's
    fused kernels have less to gain. Bits may differ, as they do between two kernels.

    Args:
        network: any module, left as it is. Whether its later changes reach the copy is undefined: make another one.
        dtype: of the products.
    """
    keep_freed_memory()
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    made = copy.deepcopy(network, shared).eval()
    return _replaced(made, dtype)


def _replaced(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The module that computes for `module`; its parts are replaced in place."""
    weight = next(module.parameters(), None)
    if weight is not None and weight.device.type == "cpu":
        if isinstance(module, Stack):
            return InferenceStack(
                InferenceBlock(block, dtype) for block in module if isinstance(block, Block)
            )
        if isinstance(module, nn.Linear):
            return PackedLinear(module.weight, module.bias, dtype)
    if isinstance(module, (nn.Linear, *CONVOLUTIONS)):
        for name, held in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(held.detach().to(dtype), requires_grad=False))
    for name, child in module.named_children():
        setattr(module, name, _replaced(child, dtype))
    return module


def keep_freed_memory() -> None:
    """Have the C library keep the memory that layers free, where it would return it and then zero it page by page.

    glibc keeps up to twice the largest block freed so far, of those up to 32 MB (mallopt(3), M_TRIM_THRESHOLD). This
    block is never written, so it costs nothing; without it a batch spends up to a quarter of its time on zeroed pages.
    """
    torch.empty(31 << 20, dtype=torch.uint8, device="cpu")


class InferenceStack(nn.ModuleList):
    """As ``Stack``; what its blocks have in common is computed once."""

    def forward(
        self,
        x: Float[Tensor, "rows tokens width"],
        modulation: Float[Tensor, "rows #tokens 6 width"],
        angles: Float[Tensor, "#rows tokens half"],
        mask: Bool[Tensor, "rows 1 #tokens tokens"],
        cache: None = None,
    ) -> Float[Tensor, "rows tokens width"]:
        """Run the blocks; `x` is not changed. It keeps no cache."""
        turn = torch.polar(torch.ones_like(angles), angles)
        bias = torch.zeros_like(mask, dtype=torch.float32).masked_fill_(~mask, -torch.inf)
        for block in self:
            x = block(x, modulation, (turn,), bias)
        return x


class InferenceBlock(nn.Module):
    """Runs a ``Block`` on the CPU, where a pass over memory takes as long as a thousand products a number.

    What is not a product stays in float32, which the processor also handles sooner than bfloat16. The channels of
    queries and keys are put in another order, the same in both, in which a rotation is a product of complex numbers.
    """

    def __init__(self, block: Block, dtype: torch.dtype) -> None:
        super().__init__()
        attention, feed_forward = block.attention, block.feed_forward
        self.heads, width = attention.heads, attention.out.in_features
        self.out, self.fed_out = (
            PackedLinear(part.weight, None, dtype) for part in (attention.out, feed_forward.out)
        )
        self.gate, self.value = (
            PackedLinear(half, None, dtype) for half in feed_forward.into.weight.chunk(2)
        )
        query, key, value = attention.qkv.weight.detach().view(3, self.heads, -1, width)
        rows = torch.cat([_in_pairs(query, 1), _in_pairs(key, 1), value])
        self.qkv = PackedLinear(rows.flatten(0, 1), None, dtype)
        share = (width // self.heads) ** -0.5  # of the scores, here in the queries already
        scales = torch.stack([attention.query_scale * share, attention.key_scale]).detach()
        scales = _in_pairs(scales, 1)[:, None].expand(-1, self.heads, -1)
        self.register_buffer("scales", scales.contiguous())  # of each head, since longer passes are faster
        self.scales: Tensor
        added = torch.tensor([[0], [1], [0], [0], [1], [0]], device="cpu")  # scales are added to 1
        self.register_buffer("offsets", block.offsets.detach() + added)
        self.offsets: Tensor

    def forward(
        self,
        x: Float[Tensor, "rows tokens width"],
        modulation: Float[Tensor, "rows #tokens 6 width"],
        rotation: tuple[Complex[Tensor, "#rows tokens half"]],
        mask: Float[Tensor, "rows 1 #tokens tokens"],
    ) -> Float[Tensor, "rows tokens width"]:
        """As ``Block``, told of turns as complex numbers, and of the mask as what is added to scores."""
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = (modulation + self.offsets).unbind(-2)
        x = torch.addcmul(x, gate_a, self._attention(_modulate(x, shift_a, scale_a), rotation[0], mask))
        wide = _modulate(x, shift_f, scale_f).to(self.gate.dtype)
        return x.addcmul_(gate_f, self.fed_out(self.value.times(wide, self.gate.silu(wide))))

    def _attention(
        self,
        x: Float[Tensor, "rows tokens width"],
        turn: Complex[Tensor, "#rows tokens half"],
        bias: Float[Tensor, "rows 1 #tokens tokens"],
    ) -> Float[Tensor, "rows tokens width"]:
        rows, tokens, width = x.shape
        qkv = self.qkv(x).view(rows, tokens, 3, self.heads, -1)
        query, key = self._turned(qkv[:, :, :2], turn).flatten(1, 2)
        value = qkv[:, :, 2].transpose(1, 2).flatten(0, 1)
        of_heads = bias.to(qkv.dtype).expand(-1, self.heads, -1, -1).flatten(0, 1)
        scores = torch.baddbmm(of_heads, query, key.mT)
        mixed = torch.bmm(scores.softmax(dim=-1, dtype=torch.float32).to(qkv.dtype), value)
        return self.out(mixed.unflatten(0, (rows, self.heads)).transpose(1, 2).reshape(rows, tokens, width))

    def _turned(
        self,
        both: Float[Tensor, "rows tokens 2 heads channels"],
        turn: Complex[Tensor, "#rows tokens half"],
    ) -> Float[Tensor, "2 rows heads tokens channels"]:
        """Queries and keys, normalised, scaled and rotated, in the order and the dtype of the products."""
        rows, tokens, two, heads, channels = both.shape
        wide = both.float()  # a copy, or a part of the product that nothing else needs
        inverse = _inverse_rms(wide)
        pairs = torch.view_as_complex(wide.mul_(self.scales).mul_(inverse).unflatten(-1, (-1, 2)))
        made = both.new_empty(two, rows, heads, tokens, channels)
        made.permute(1, 3, 0, 2, 4).copy_(torch.view_as_real(pairs.mul_(turn[:, :, None, None])).flatten(-2))
        return made


def _in_pairs(x: Shaped[Tensor, "..."], dim: int) -> Shaped[Tensor, "..."]:
    """Channels 0, half, 1, half + 1 ...: those that ``rotate`` takes together, side by side."""
    return torch.stack(x.chunk(2, dim), dim + 1).flatten(dim, dim + 1)


def _modulate(
    x: Float[Tensor, "rows tokens width"],
    shift: Float[Tensor, "rows #tokens width"],
    scale: Float[Tensor, "rows #tokens width"],
) -> Float[Tensor, "rows tokens width"]:
    """As ``blocks.modulate``, by the whole `scale`."""
    return torch.addcmul(shift, x * _inverse_rms(x), scale)


def _inverse_rms(x: Float[Tensor, "*shape width"]) -> Float[Tensor, "*shape 1"]:
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return torch.addcmul(norm.new_tensor(EPSILON), norm, norm, value=1 / x.shape[-1]).rsqrt_()
