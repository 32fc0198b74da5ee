"""A measured figure and how far to trust it: values with 95% intervals.

Means of independent values are resampled with replacement (the bootstrap); shares have Wilson's interval. Statistics
of a whole set, such as a distance between distributions, are recomputed on subsets drawn without replacement: repeats
would count as likeness in every method that compares a set with itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ROUNDS = 1000  # of the bootstrap of a mean
SUBSETS = 40  # on which a statistic of a set is computed again
TAILS = (0.025, 0.975)
NORMAL_95 = 1.959964  # standard deviations that hold 95% of a normal distribution


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95% interval [`low`, `high`], and the number of samples it was measured on."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def of_mean(values: Tensor | np.ndarray, seed: int = 0) -> Estimate:
    """The mean of independent values (N,) by the percentile bootstrap (Efron 1979).

    Of yes and no (bool) it is a share and has Wilson's interval: the bootstrap of 0 in 2,000 would end at 0.

    Raises:
        ValueError: no values.
    """
    given = np.asarray(values)
    if given.size == 0:
        raise ValueError("the mean of nothing")
    if given.dtype == np.bool_:
        return Estimate(float(given.mean()), *wilson(int(given.sum()), given.size), given.size)
    held = given.astype(np.float64)
    random = np.random.default_rng(seed)
    means = [held[random.integers(0, held.size, held.size)].mean() for _ in range(ROUNDS)]
    low, high = np.quantile(means, TAILS)
    return Estimate(float(held.mean()), float(low), float(high), held.size)


def wilson(hits: int, count: int, deviations: float = NORMAL_95) -> tuple[float, float]:
    """The Wilson interval of a share: honest near 0 and 1 and for few trials, unlike the normal one."""
    if count == 0:
        return 0.0, 1.0
    rate, square = hits / count, deviations**2
    middle = (rate + square / (2 * count)) / (1 + square / count)
    half = deviations / (1 + square / count) * math.sqrt(rate * (1 - rate) / count + square / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def of_statistic(
    statistic: Callable[[Tensor, Tensor], float],
    first: int,
    second: int,
    seed: int = 0,
    subsets: int = SUBSETS,
) -> Estimate:
    """A statistic of two sets by subsampling without replacement (Politis & Romano 1994, section 2).

    On subsets of half the size it scatters by about as much again as on the whole; what the halves are off on average,
    which is a matter of their size, is taken out.

    Args:
        statistic: maps indices into both sets, ascending, to a number.
        first: size of the first set.
        second: size of the second.
        seed: of the draws.
        subsets: how many are drawn.
    """
    whole = statistic(torch.arange(first), torch.arange(second))
    random = np.random.default_rng(seed)

    def half(count: int) -> Tensor:
        return torch.from_numpy(np.sort(random.permutation(count)[: count // 2]))

    drawn = np.array([statistic(half(first), half(second)) for _ in range(subsets)])
    # Without replacement a half's scatter is sqrt(1/m - 1/n) sigma = sigma / sqrt(n): just the whole's.
    low, high = whole + np.quantile(drawn - drawn.mean(), TAILS)
    return Estimate(whole, float(low), float(high), min(first, second))


def ratio(above: Estimate, below: Estimate) -> Estimate:
    """A ratio of independent positive estimates, its interval from the relative widths of both (delta method on logs).

    Raises:
        ValueError: a value or a bound of `below` that is not positive.
    """
    if not (above.value > 0 and below.value > 0):
        raise ValueError("a ratio needs positive figures")
    value = above.value / below.value
    down = math.hypot(_relative(above.value, above.low), _relative(below.high, below.value))
    up = math.hypot(_relative(above.high, above.value), _relative(below.value, below.low))
    return Estimate(value, value * math.exp(-down), value * math.exp(up), min(above.count, below.count))


def difference(first: Estimate, second: Estimate) -> Estimate:
    """`first` minus `second`, taken as independent: on the same prompts that is wider than need be, never narrower."""
    value = first.value - second.value
    down = math.hypot(first.value - first.low, second.high - second.value)
    up = math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, value - down, value + up, min(first.count, second.count))


def plain(estimate: Estimate) -> dict[str, float | int]:
    """An estimate as plain values, for files."""
    return {
        "value": round(estimate.value, 6), "low": round(estimate.low, 6), "high": round(estimate.high, 6),
        "count": estimate.count,
    }  # fmt: skip


def _relative(high: float, low: float) -> float:
    """How far `high` lies above `low` on the scale of logarithms; a bound at or below zero counts as far."""
    return math.log(max(high, 1e-12) / max(low, 1e-12))
