"""Are two pictures the same but for a shade? By their small averages: no descriptor is asked, so none is flattered."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ornstein.data.pixels import area
from ornstein.evaluate.pictures import on_white

SIDE = 16  # pixels of the averages
ALIKE = 8.0  # root mean square of their difference, of 255, below which two pictures are the same
AT_ONCE = 256


def thumbnails(pictures: np.ndarray) -> Float[Tensor, "rows numbers"]:
    """Averages over areas of uint8 (B, H, W, C) pictures before white."""
    parts = [
        on_white(area(pictures[start : start + AT_ONCE], SIDE)).flatten(1)
        for start in range(0, len(pictures), AT_ONCE)
    ]
    return torch.cat(parts) if parts else torch.empty(0, 3 * SIDE**2)


def same(
    first: Float[Tensor, "rows numbers"], second: Float[Tensor, "others numbers"]
) -> Bool[Tensor, "rows others"]:
    """Which thumbnails are of the same picture."""
    return torch.cdist(first, second) < ALIKE * first.shape[1] ** 0.5


def doubled(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Which of the first uint8 (B, H, W, C) pictures are the same as one of the second, (B,) bool."""
    mine, others = thumbnails(first), thumbnails(second)
    parts = [
        same(mine[start : start + AT_ONCE], others).any(1).numpy() for start in range(0, len(mine), AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=bool)
