"""Draws of known laws."""

from __future__ import annotations

import torch


def normal(count: int, width: int, seed: int, mean: float = 0.0, deviation: float = 1.0) -> torch.Tensor:
    """(count, width) independent normal numbers, float64."""
    generator = torch.Generator().manual_seed(seed)
    return mean + deviation * torch.randn(count, width, generator=generator, dtype=torch.float64)
