"""The weights of a diffusers ``DiTTransformer2DModel`` in a network that Ornstein's sampler runs.

The same function of the same numbers, written as Ornstein writes its own networks: one product for queries, keys and
values, modulation shared by all rows of a noise level, patches by a linear map, static shapes. What depends on noise
level and class alone (the embeddings and the adaptive norms of all blocks) is computed once for a whole trajectory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ornstein.net.attention import attend
from ornstein.net.inference import keep_freed_memory
from ornstein.net.packed import PackedLinear
from ornstein.net.tokens import patchify, unpatchify
from ornstein.process.gaussian import DiscreteBeta

PATH = DiscreteBeta()  # the defaults of diffusers' schedulers: linear betas from 1e-4 to 0.02 in 1000 steps
SINES = 256  # numbers of a timestep's sinusoidal embedding
EPSILON, EPSILON_FEED_FORWARD = 1e-6, 1e-5  # of the layer norms


@dataclass(frozen=True)
class Labels:
    """Classes as a condition.

    Attributes:
        index: (B,) integers; the number of classes is the null condition.
    """

    index: Int[Tensor, " rows"]

    def select(self, rows: Int[Tensor, " chosen"]) -> Labels:
        """Pick rows."""
        return Labels(self.index[rows])

    def join(self, other: Labels) -> Labels:
        """Stack rows below these."""
        return Labels(torch.cat([self.index, other.index]))


@dataclass(frozen=True)
class Block:
    """The products of one block."""

    qkv: PackedLinear
    out: PackedLinear
    widen: PackedLinear
    narrow: PackedLinear


class ConvertedDiT:
    """A DiT (Peebles & Xie 2023, arXiv 2212.09748) with the weights and the dtype of a diffusers one.

    Args:
        source: a ``DiTTransformer2DModel`` that predicts noise alone (as many channels out as in).

    Raises:
        ValueError: it also predicts variances.
    """

    def __init__(self, source: Any) -> None:
        if source.out_channels != source.config.in_channels:
            raise ValueError("a DiT that also predicts variances is not converted")
        self.patch, self.heads = source.config.patch_size, source.config.num_attention_heads
        self.dtype = source.dtype
        state = {name: value.detach() for name, value in source.state_dict().items()}
        depth = len(source.transformer_blocks)

        def stacked(name: str) -> Tensor:
            return torch.stack([state[f"transformer_blocks.{k}.{name}"] for k in range(depth)])

        def affine(name: str) -> tuple[Tensor, Tensor]:
            """Weight (depth, in, out) and bias (depth, 1, out) of one layer in every block."""
            return stacked(f"{name}.weight").mT.contiguous(), stacked(f"{name}.bias")[:, None]

        embedder = "norm1.emb.timestep_embedder"
        self._level = affine(f"{embedder}.linear_1"), affine(f"{embedder}.linear_2")
        self._classes = stacked("norm1.emb.class_embedder.embedding_table.weight")
        self._modulation = affine("norm1.linear")
        self._final = _pair(state, "proj_out_1")
        kernel = state["pos_embed.proj.weight"]  # (width, channels, patch, patch); patches hold channels last
        self._embed = kernel.permute(0, 2, 3, 1).flatten(1).contiguous(), state["pos_embed.proj.bias"]
        self._places = source.pos_embed.pos_embed.to(self.dtype)
        self._head = _pair(state, "proj_out_2")
        self._blocks = [_block(state, f"transformer_blocks.{k}") for k in range(depth)]

    @torch.inference_mode()
    def modulations(
        self, timesteps: Float[Tensor, " levels"], labels: Int[Tensor, " labels"]
    ) -> tuple[Float[Tensor, "depth levels labels 6 width"], Float[Tensor, "levels labels 2 width"]]:
        """Shift, 1 + scale and gate of both parts of every block, and shift and 1 + scale of the head."""
        (first, first_bias), (second, second_bias) = self._level
        depth, width = len(self._blocks), self._classes.shape[-1]
        sines = timestep_sines(timesteps).to(self.dtype).expand(depth, -1, -1)
        hidden = F.silu(torch.baddbmm(first_bias, sines, first))
        levels = torch.baddbmm(second_bias, hidden, second)
        steer = F.silu(levels[:, :, None] + self._classes[:, None, labels])
        weight, bias = self._modulation
        blocks = torch.baddbmm(bias, steer.flatten(1, 2), weight).view(*steer.shape[:3], 6, width)
        blocks[..., (1, 4), :] += 1
        head = F.linear(steer[0], *self._final).unflatten(-1, (2, width))
        head[..., 1, :] += 1
        return blocks, head

    def forward(
        self,
        z: Float[Tensor, "rows side side channels"],
        blocks: Float[Tensor, "depth rows 1 6 width"],
        head: Float[Tensor, "rows 1 2 width"],
    ) -> Float[Tensor, "rows side side channels"]:
        """The noise in `z`, given each row's modulations."""
        x = F.linear(patchify(z.to(self.dtype), self.patch), *self._embed) + self._places
        for weights, modulation in zip(self._blocks, blocks, strict=True):
            x = self._run(weights, x, modulation)
        shift, scale = head.unbind(-2)
        x = torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=EPSILON), scale)
        return unpatchify(F.linear(x, *self._head), self.patch, tuple(z.shape[1:-1]))

    def _run(self, weights: Block, x: Tensor, modulation: Tensor) -> Tensor:
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = modulation.unbind(-2)
        batch, length, width = x.shape
        calm = torch.addcmul(shift_a, F.layer_norm(x, (width,), eps=EPSILON), scale_a)
        qkv = weights.qkv(calm).view(batch, length, 3, self.heads, -1)
        mixed = attend(*qkv.permute(2, 0, 3, 1, 4), mask=None).transpose(1, 2).reshape(x.shape)
        x = torch.addcmul(x, gate_a, weights.out(mixed))
        calm = torch.addcmul(shift_f, F.layer_norm(x, (width,), eps=EPSILON_FEED_FORWARD), scale_f)
        hidden = gelu(weights.widen(calm))
        return torch.addcmul(x, gate_f, weights.narrow(hidden))


class Prepared:
    """A converted DiT as a ``precondition.Network`` for rows at known timesteps with known classes.

    Args:
        network: the DiT.
        timesteps: (S,) that a trajectory visits.
        labels: (L,) classes that occur, the null class included.
    """

    def __init__(self, network: ConvertedDiT, timesteps: Tensor, labels: Tensor) -> None:
        keep_freed_memory()
        self._network = network
        self._labels = labels.unique()
        self._timesteps = timesteps.double()
        self._blocks, self._head = network.modulations(self._timesteps, self._labels)

    def __call__(self, z: Tensor, logsnr: Tensor, condition: Labels) -> Tensor:
        """As ``precondition.Network``; each row is taken to stand at the nearest of the timesteps."""
        timestep = PATH.time(logsnr.double()) * PATH.steps - 1
        level = (timestep[:, None] - self._timesteps).abs().argmin(1)
        label = torch.searchsorted(self._labels, condition.index)
        return self._network.forward(
            z, self._blocks[:, level, label][:, :, None], self._head[level, label][:, None]
        )


def timestep_sines(timesteps: Float[Tensor, " levels"]) -> Float[Tensor, "levels sines"]:
    """Cosines, then sines, of timesteps at geometric frequencies from 1 to 1/10000, float32."""
    half = SINES // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half) / (half - 1))
    angles = timesteps[:, None].float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def gelu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    r"""GELU in its tanh form, $x\,\sigma(\sqrt{8/\pi}(x+0.044715x^3))$, computed in float32.

    The same function as ``F.gelu(x, approximate="tanh")``, whose kernel is several times slower on the CPU.
    """
    wide, factor = x.float(), math.sqrt(8 / math.pi)
    inner = (
        wide.square().mul_(factor * 0.044715).add_(factor).mul_(wide)
    )  # in place: it is memory that takes the time
    return inner.sigmoid_().mul_(wide).to(x.dtype)


def _block(state: dict[str, Tensor], name: str) -> Block:
    parts = [_pair(state, f"{name}.attn1.to_{part}") for part in "qkv"]
    weight, bias = (torch.cat(each) for each in zip(*parts, strict=True))
    out, widen, narrow = (
        PackedLinear(*_pair(state, f"{name}.{part}"), weight.dtype)
        for part in ("attn1.to_out.0", "ff.net.0.proj", "ff.net.2")
    )
    return Block(PackedLinear(weight, bias, weight.dtype), out, widen, narrow)


def _pair(state: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return state[f"{name}.weight"], state[f"{name}.bias"]
