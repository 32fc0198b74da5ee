"""Rows again: generated rows that equal a training row, and the nearest training row of some, to look at.

Equal rows are no proof of a leak: in a table of few categories an unseen real row often equals a training row, too. So
everything stands beside the same figure of held-out rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch

from ornstein.evaluate.estimate import Estimate, of_mean
from ornstein.evaluate.tables.columns import Coded
from ornstein.evaluate.tables.space import Space, nearest
from ornstein.rng import stream


@dataclass(frozen=True)
class Copies:
    """Rows that stand twice.

    Attributes:
        copied: share of generated rows that equal a training row in every column. expected: of held-out rows.
        repeated: share of generated rows that equal another generated row. repeated_real: of training rows.
        nearer: share of generated rows nearer to a training row than to one of as many held-out ones; 0.5 is best.
    """

    copied: Estimate
    expected: Estimate
    repeated: Estimate
    repeated_real: Estimate
    nearer: Estimate


@dataclass(frozen=True)
class Neighbour:
    """A generated row (its place) with the nearest training row, the nearest held-out row, and how far they are."""

    made: int
    train: int
    to_train: float
    held_out: int
    to_held_out: float


def copies(space: Space, train: Coded, held_out: Coded, synthetic: Coded, seed: int = 0) -> Copies:
    """Count copies and repeats; numbers that agree in six digits are equal."""
    mine, theirs, made = _keys(train), _keys(held_out), _keys(synthetic)
    known = set(mine)
    points = space(synthetic)
    some = train[stream("copies", seed).permutation(len(train))[: len(held_out)]]
    (near, _), (far, _) = nearest(points, space(some)), nearest(points, space(held_out))
    ahead = np.sign((far - near)[:, 0].numpy()) / 2 + 0.5  # a tie counts half
    return Copies(
        copied=of_mean(np.array([key in known for key in made])),
        expected=of_mean(np.array([key in known for key in theirs])),
        repeated=of_mean(_repeated(made)),
        repeated_real=of_mean(_repeated(mine)),
        nearer=of_mean(ahead),
    )


def neighbours(space: Space, train: Coded, held_out: Coded, synthetic: Coded, count: int) -> list[Neighbour]:
    """The generated rows nearest to a training row, measured by how near a held-out row is: likeliest copies first."""
    points = space(synthetic)
    (near, mine), (far, theirs) = nearest(points, space(train)), nearest(points, space(held_out))
    order = torch.argsort(near[:, 0] / far[:, 0].clamp(min=1e-6), stable=True)[:count]
    return [
        Neighbour(k, int(mine[k, 0]), float(near[k, 0]), int(theirs[k, 0]), float(far[k, 0]))
        for k in order.tolist()
    ]


def _keys(rows: Coded) -> list[tuple[float, ...]]:
    numbers = np.where(np.isnan(rows.numbers), np.inf, rows.numbers)  # a gap equals a gap
    return [(*a, *b) for a, b in zip(numbers.tolist(), rows.kinds.tolist(), strict=True)]


def _repeated(keys: list[tuple[float, ...]]) -> np.ndarray:
    counts = Counter(keys)
    return np.array([counts[key] > 1 for key in keys])
