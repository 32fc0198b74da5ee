"""Convolutions on the places of a grid, kept as tokens: (B, L, C), row-major, channels last in memory throughout."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ornstein.net.blocks import modulate

SIDE = 3
CONVOLVE = (F.conv1d, F.conv2d, F.conv3d)


class Convolution(nn.Module):
    """A convolution three places wide in each axis, beyond whose border all is zero; the grid keeps its shape.

    Its kernel is kept as the matrix it is, from a neighbourhood's numbers to a place's: (out, 3^axes * into), the
    channels innermost. So Muon takes it like any other hidden matrix (flattened as in Jordan et al. 2024), and read
    as a kernel it is channels last without a copy, which is what the processor's convolutions are fastest with.

    Args:
        axes: 1, 2 or 3.
        into: channels taken.
        out: channels given.
    """

    def __init__(self, axes: int, into: int, out: int) -> None:
        super().__init__()
        self.axes = axes
        fan = SIDE**axes * into
        self.weight = nn.Parameter(torch.empty(out, fan).uniform_(-1, 1) / math.sqrt(fan))
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(
        self, x: Float[Tensor, "rows places into"], grid: tuple[int, ...]
    ) -> Float[Tensor, "rows places out"]:
        """Convolve; `grid` is how the places lie."""
        kernel = self.weight.unflatten(1, (*(SIDE,) * self.axes, -1)).movedim(-1, 1)
        y = CONVOLVE[self.axes - 1](x.unflatten(1, grid).movedim(-1, 1), kernel, self.bias, padding=1)
        return y.movedim(1, -1).flatten(1, -2)


class Residual(nn.Module):
    """Two convolutions added to what they read, each behind a modulated norm and SiLU.

    The residual block of ADM (Dhariwal & Nichol 2021, arXiv 2105.05233, appendix A) with the norm of the transformer's
    blocks, over the channels of each place: no place's norm depends on another, so noise levels may differ by
    place. The second convolution starts at zero, so a new block is the identity.
    """

    def __init__(self, axes: int, width: int) -> None:
        super().__init__()
        self.into, self.out = Convolution(axes, width, width), Convolution(axes, width, width)
        self.offsets = nn.Parameter(torch.zeros(4, width))
        nn.init.zeros_(self.out.weight)

    def forward(
        self,
        x: Float[Tensor, "rows places width"],
        grid: tuple[int, ...],
        modulation: Float[Tensor, "rows #places 4 width"],
    ) -> Float[Tensor, "rows places width"]:
        """Run both; `modulation` is of each row or of each place."""
        shift_a, scale_a, shift_b, scale_b = (modulation + self.offsets).unbind(-2)
        hidden = self.into(F.silu(modulate(x, shift_a, scale_a)), grid)
        return x + self.out(F.silu(modulate(hidden, shift_b, scale_b)), grid)
