"""Do columns look alike, and do pairs of columns hang together alike?

A column: 1 minus the greatest distance of cumulative distributions (Kolmogorov-Smirnov) for numbers, with missing cells
as a value below all others; 1 minus the total variation for categories. A pair: 1 minus half the difference of
Spearman's correlations for two numbers; 1 minus the total variation of the joint table otherwise, a number being cut at
the deciles of the real rows. All are 1 at best; the forms are those of the SDMetrics library, with intervals of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from ornstein.evaluate.estimate import Estimate, of_statistic
from ornstein.evaluate.tables.columns import Coded, Reading

SUBSETS = 20  # on which a score is computed again
CUTS = 10  # shares into which a number is cut beside a category


@dataclass(frozen=True)
class Likeness:
    """Scores of columns and pairs, by name, and their means; 1 is best.

    Attributes:
        shapes: by column. trends: by pair. shape, trend: means of these, with intervals; the trend is None where there
            is one column.
    """

    shapes: dict[str, float]
    trends: dict[tuple[str, str], float]
    shape: Estimate
    trend: Estimate | None


def likeness(reading: Reading, real: Coded, other: Coded, seed: int = 0) -> Likeness:
    """Compare a table with real rows.

    Args:
        reading: names and categories.
        real: what to be like.
        other: rows to judge.
        seed: of the subsets that give intervals.
    """
    names = [*reading.numbers, *reading.kinds]
    shapes = [
        *(ks_complement(a, b) for a, b in zip(real.numbers.T, other.numbers.T, strict=True)),
        *(tv_complement(a, b) for a, b in zip(real.kinds.T, other.kinds.T, strict=True)),
    ]
    pairs = np.triu_indices(len(names), 1)
    trends = _Trends(reading, real)
    found = trends(real, other)[pairs].tolist()

    def again(mean: Callable[[Coded, Coded], float]) -> Estimate:
        return of_statistic(
            lambda i, j: mean(real[i.numpy()], other[j.numpy()]), len(real), len(other), seed, SUBSETS
        )

    return Likeness(
        dict(zip(names, shapes, strict=True)),
        dict(zip(combinations(names, 2), found, strict=True)),
        again(_mean_shape),
        again(lambda a, b: float(trends(a, b)[pairs].mean())) if found else None,
    )


def ks_complement(first: np.ndarray, second: np.ndarray) -> float:
    """1 minus the greatest distance between the cumulative distributions of (N,) and (M,) numbers; NaN is one value."""
    a, b = (np.sort(np.nan_to_num(x, nan=-np.inf, neginf=-np.inf)) for x in (first, second))
    every = np.concatenate([a, b])
    apart = np.searchsorted(a, every, "right") / len(a) - np.searchsorted(b, every, "right") / len(b)
    return float(1 - np.abs(apart).max())


def tv_complement(first: np.ndarray, second: np.ndarray) -> float:
    """1 minus the total variation between the shares of (N,) and (M,) category codes."""
    size = int(max(first.max(), second.max())) + 1
    return float(1 - np.abs(_shares(first, size) - _shares(second, size)).sum() / 2)


def _shares(codes: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(codes, minlength=size) / len(codes)


def _mean_shape(real: Coded, other: Coded) -> float:
    numbers = [ks_complement(a, b) for a, b in zip(real.numbers.T, other.numbers.T, strict=True)]
    kinds = [tv_complement(a, b) for a, b in zip(real.kinds.T, other.kinds.T, strict=True)]
    return float(np.mean(numbers + kinds))


class _Trends:
    """Scores of all pairs at once; where numbers are cut was decided by the real rows."""

    def __init__(self, reading: Reading, real: Coded) -> None:
        self.cuts = [_deciles(values) for values in real.numbers.T]
        self.sizes = np.array([CUTS + 1] * len(self.cuts) + reading.sizes())
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])

    def __call__(self, real: Coded, other: Coded) -> np.ndarray:
        apart = np.abs(self._joint(real) - self._joint(other))
        scores = 1 - np.add.reduceat(np.add.reduceat(apart, self.starts, 0), self.starts, 1) / 2
        numbers = real.numbers.shape[1]
        scores[:numbers, :numbers] = (
            1 - np.abs(_correlations(real.numbers) - _correlations(other.numbers)) / 2
        )
        return scores

    def _joint(self, rows: Coded) -> np.ndarray:
        """Shares of rows with each pair of cells, for all pairs of columns: one product of one-hot codes."""
        numbers = [
            np.where(np.isnan(values), CUTS, np.searchsorted(cuts, values, "right"))
            for cuts, values in zip(self.cuts, rows.numbers.T, strict=True)
        ]
        cells = np.stack([*numbers, *rows.kinds.T], 1) + self.starts
        coded = np.zeros((len(rows), int(self.sizes.sum())), np.float32)
        np.put_along_axis(coded, cells, 1.0, 1)
        return (coded.T @ coded).astype(np.float64) / len(rows)


def _deciles(values: np.ndarray) -> np.ndarray:
    held = values[~np.isnan(values)]
    return np.quantile(held, np.arange(1, CUTS) / CUTS) if len(held) else np.zeros(CUTS - 1)


def _correlations(numbers: np.ndarray) -> np.ndarray:
    """Spearman's, (columns, columns); missing cells take the middle rank, and a constant goes with nothing."""
    if numbers.shape[1] == 0:
        return np.zeros((0, 0))
    ranks = np.where(np.isnan(numbers), np.nan, rankdata(numbers, axis=0, nan_policy="omit"))
    held = ~np.isnan(ranks)
    means = np.where(held, ranks, 0).sum(0) / np.maximum(held.sum(0), 1)
    centred = np.where(held, ranks - means, 0)
    spread = np.sqrt((centred**2).sum(0))
    return (centred.T @ centred) / np.maximum(np.outer(spread, spread), 1e-12)
