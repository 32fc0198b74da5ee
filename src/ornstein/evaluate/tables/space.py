"""Rows as points, the same space for everything that measures distance.

A number is its rank among the training rows, from 0 to 1 (beyond their range it goes on, in ranges), so that no unit and
no long tail decides what is near. Two categories, or a missing and a present number, are 1 apart, as in Gower's (1971)
coefficient.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.evaluate.tables.columns import Coded, Reading

APART = np.sqrt(0.5)  # two different one-hot codes of this height lie 1 apart
CHUNK = 2048  # rows a block of the distance matrix


class Space:
    """Maps rows to points.

    Args:
        reading: how tables are read.
        train: rows whose ranks are meant.
    """

    def __init__(self, reading: Reading, train: Coded) -> None:
        self.sizes = reading.sizes()
        self.scales = [_Ranks(values) for values in train.numbers.T]
        widths = [3] * len(self.scales) + self.sizes
        self.owner = np.repeat([*reading.numbers, *reading.kinds], widths)  # of each coordinate: its column

    def __call__(self, rows: Coded) -> Float[Tensor, "rows width"]:
        """Points (N, D), float32."""
        parts: list[np.ndarray] = []
        for scale, values in zip(self.scales, rows.numbers.T, strict=True):
            missing = np.isnan(values)
            parts += [np.where(missing, 0.5, scale(np.nan_to_num(values)))[:, None], APART * _one_hot(missing, 2)]
        for size, codes in zip(self.sizes, rows.kinds.T, strict=True):
            parts.append(APART * _one_hot(codes, size))
        return torch.from_numpy(np.concatenate(parts, 1).astype(np.float32))

    def without(self, name: str) -> Tensor:
        """Places of the coordinates that do not belong to a column."""
        return torch.from_numpy(np.flatnonzero(self.owner != name))


class _Ranks:
    """The rank of a number among others, between them and beyond them."""

    def __init__(self, values: np.ndarray) -> None:
        held = np.sort(values[~np.isnan(values)])
        self.values, first, count = np.unique(held, return_index=True, return_counts=True)
        self.ranks = (first + (count - 1) / 2 + 0.5) / max(1, len(held))
        self.range = float(self.values[-1] - self.values[0]) if len(held) else 0.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        if len(self.values) == 0:
            return np.full(len(values), 0.5)
        inside = np.interp(values, self.values, self.ranks)
        beyond = values - np.clip(values, self.values[0], self.values[-1])
        return inside + beyond / (self.range or 1.0)


def _one_hot(codes: np.ndarray, size: int) -> np.ndarray:
    return np.eye(size)[codes.astype(np.int64)]


def nearest(points: Float[Tensor, "n d"], among: Float[Tensor, "m d"], k: int = 1) -> tuple[Tensor, Tensor]:
    """Distances (N, k), ascending, and places (N, k) of the k nearest of other points."""
    found = [_distances(points[i : i + CHUNK], among).topk(k, 1, largest=False) for i in range(0, len(points), CHUNK)]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def nearest_others(points: Float[Tensor, "n d"], k: int = 1) -> Tensor:
    """Distance (N,) of each point to its k-th nearest other one."""
    parts: list[Tensor] = []
    for i in range(0, len(points), CHUNK):
        apart = _distances(points[i : i + CHUNK], points)
        apart[torch.arange(len(apart)), torch.arange(i, i + len(apart))] = torch.inf
        parts.append(apart.kthvalue(k, 1).values)
    return torch.cat(parts)


def _distances(points: Tensor, among: Tensor) -> Tensor:
    # The exact mode: by matrix product equal rows come out 1e-3 apart, and copies are what is looked for.
    return torch.cdist(points, among, compute_mode="donot_use_mm_for_euclid_dist")
