"""Rows as points, the same space for everything that measures distance.

A number is its rank among the training rows, from 0 to 1 (beyond their range it goes on, in ranges), so that no unit
and no long tail decides what is near. Two categories, or a missing and a present number, are 1 apart, as in Gower's
(1971) coefficient.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.evaluate.tables.columns import Coded, Reading

APART = np.sqrt(0.5)  # two different one-hot codes of this height lie 1 apart
CHUNK = 1024  # rows a block of the distance matrix
SPARE = 4  # candidates beyond those asked for


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
            parts += [
                np.where(missing, 0.5, scale(np.nan_to_num(values)))[:, None],
                APART * _one_hot(missing, 2),
            ]
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
    found = [_search(points[i : i + CHUNK], among, k) for i in range(0, len(points), CHUNK)]
    return torch.cat([distance for distance, _ in found]), torch.cat([place for _, place in found])


def nearest_others(points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Distance of each point to the nearest other one: 0 where it stands twice."""
    return nearest(points, points, 2)[0][:, 1]


def _search(points: Tensor, among: Tensor, k: int) -> tuple[Tensor, Tensor]:
    # A matrix product is quick and puts equal rows 1e-3 apart: it finds the candidates, differences decide among them.
    candidates = torch.cdist(points, among).topk(min(k + SPARE, len(among)), 1, largest=False).indices
    exact = (points[:, None] - among[candidates]).norm(dim=2)
    distance, order = exact.sort(dim=1, stable=True)
    return distance[:, :k], candidates.gather(1, order)[:, :k]
