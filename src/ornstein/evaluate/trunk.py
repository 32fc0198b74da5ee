"""The convolutional trunk of the small networks that are trained here to look at pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def trunk(channels: int, widths: Sequence[int]) -> nn.Sequential:
    """Pictures (B, channels, side, side) in [-1, 1] to (B, widths[-1]); each width halves the side."""
    return nn.Sequential(*(Stage(i, o) for i, o in pairwise((channels, *widths))), Average())


class Stage(nn.Module):
    """Halve the side, then two residual pairs of convolutions with batch norm (He et al. 2015, arXiv 1512.03385)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )
        self.pairs = nn.ModuleList(_pair(outputs) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        for pair in self.pairs:
            x = F.relu(x + pair(x))
        return x


class Average(nn.Module):
    """Mean over all places."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def to_pixels(pictures: np.ndarray, size: int) -> Float[Tensor, "rows channels side side"]:
    """uint8 (N, H, W, C) to floats in [-1, 1], channels first, resized where they have another side."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1).float() / 127.5 - 1.0
    if x.shape[-2:] == (size, size):
        return x
    return F.interpolate(x, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp_(-1, 1)


def rate(done: float, warm_up: float = 0.05) -> float:
    """Share of the highest learning rate after a share `done` of a run: linear up, half a cosine down."""
    return min(done / warm_up, 0.5 + 0.5 * float(np.cos(np.pi * done))) if done < 1 else 0.0


def _pair(width: int) -> nn.Sequential:
    norms = [nn.BatchNorm2d(width) for _ in range(2)]
    convolutions = [nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2)]
    nn.init.zeros_(norms[1].weight)  # a new pair is the identity
    return nn.Sequential(convolutions[0], norms[0], nn.ReLU(), convolutions[1], norms[1])
