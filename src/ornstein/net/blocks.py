"""The parts a transformer is built of."""

from __future__ import annotations

import math
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ornstein.net.attention import EPSILON, Attention, Remembered
from ornstein.net.cache import Cache


class SwiGLU(nn.Module):
    """Gated feed-forward (Shazeer 2020, arXiv 2002.05202), hidden width 8/3 of the outer one, a multiple of 64."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 64 * round(width * 8 / 3 / 64)
        self.into = nn.Linear(width, 2 * hidden, bias=False)
        self.out = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        gate, value = self.into(x).chunk(2, dim=-1)
        return self.out(F.silu(gate) * value)


class Block(nn.Module):
    """Attention and feed-forward, each modulated by the shared adaptive norm plus this block's own offsets.

    Shared adaLN: Chen et al. 2023 (PixArt, arXiv 2310.00426, section 2.3). Gates start at zero, so a new block
    is the identity.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.feed_forward = SwiGLU(width)
        self.offsets = nn.Parameter(torch.zeros(6, width))

    def forward(
        self,
        x: Float[Tensor, "rows tokens width"],
        modulation: Float[Tensor, "rows #tokens 6 width"],
        rotation: tuple[Float[Tensor, "#rows 1 tokens half"], Float[Tensor, "#rows 1 tokens half"]],
        mask: Bool[Tensor, "rows 1 #tokens all"] | None,
        remembered: Remembered | None = None,
    ) -> Float[Tensor, "rows tokens width"]:
        """Run both parts; `modulation` is of each row or of each token, the rest as in ``Attention``."""
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = (modulation + self.offsets).unbind(-2)
        x = x + gate_a * self.attention(modulate(x, shift_a, scale_a), rotation, mask, remembered)
        return x + gate_f * self.feed_forward(modulate(x, shift_f, scale_f))


class Stack(nn.ModuleList):
    """Blocks one after the other."""

    def forward(
        self,
        x: Float[Tensor, "rows tokens width"],
        modulation: Float[Tensor, "rows #tokens 6 width"],
        angles: Float[Tensor, "#rows tokens half"],
        mask: Bool[Tensor, "rows 1 #tokens all"],
        cache: Cache | None = None,
    ) -> Float[Tensor, "rows tokens width"]:
        """Run them; `angles` of the rotary embedding in radians, the rest as in ``Block``."""
        rotation = angles[:, None].cos(), angles[:, None].sin()
        for layer, block in enumerate(self):
            x = block(x, modulation, rotation, mask, cache and partial(cache.join, layer))
        return x


def modulate(
    x: Float[Tensor, "rows tokens width"],
    shift: Float[Tensor, "rows #tokens width"],
    scale: Float[Tensor, "rows #tokens width"],
) -> Float[Tensor, "rows tokens width"]:
    """RMS-normalise the last axis, then scale by ``1 + scale`` and shift."""
    return F.rms_norm(x, x.shape[-1:], eps=EPSILON) * (1 + scale) + shift


def masked_mean(
    tokens: Float[Tensor, "rows tokens width"], mask: Bool[Tensor, "rows tokens"]
) -> Float[Tensor, "rows width"]:
    """Mean (B, width) of the tokens (B, L, width) where the mask (B, L) is True; zero where it nowhere is."""
    weight = mask[..., None].to(tokens.dtype)
    return (tokens * weight).sum(1) / weight.sum(1).clamp(min=1)


class LevelEmbedding(nn.Module):
    """Embeds logsnr (any shape, about [-20, 20]) by sines and a two-layer network: (..., width)."""

    def __init__(self, width: int, frequencies: int = 64) -> None:
        super().__init__()
        scales = torch.exp(torch.linspace(math.log(0.05), math.log(5.0), frequencies, device="cpu"))
        self.register_buffer("scales", scales, persistent=False)
        self.scales: Tensor
        self.mlp = nn.Sequential(nn.Linear(2 * frequencies, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, logsnr: Float[Tensor, "*level"]) -> Float[Tensor, "*level width"]:
        angles = logsnr[..., None].float() * self.scales
        return self.mlp(torch.cat([angles.sin(), angles.cos()], dim=-1))


class PlaceEmbedding(nn.Module):
    """Embeds absolute coordinates (..., axes) by sines of octave frequencies and a linear layer: (..., width)."""

    def __init__(self, axes: int, width: int, octaves: int = 6) -> None:
        super().__init__()
        self.register_buffer(
            "scales", (math.pi / 4) * 2.0 ** torch.arange(octaves, device="cpu"), persistent=False
        )
        self.scales: Tensor
        self.linear = nn.Linear(2 * octaves * axes, width)

    def forward(self, coordinates: Float[Tensor, "*place axes"]) -> Float[Tensor, "*place width"]:
        angles = (coordinates[..., None] * self.scales).flatten(-2)
        return self.linear(torch.cat([angles.sin(), angles.cos()], dim=-1))
