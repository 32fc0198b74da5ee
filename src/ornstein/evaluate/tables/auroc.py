"""The area under the ROC curve, with an interval: the chance that one of these scores higher than one of those."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import rankdata

from ornstein.evaluate.estimate import NORMAL_95, Estimate

SHORT = 3.0  # of nothing in n trials: at most 3/n, with 95% (Hanley & Lippman-Hand 1983)


def auroc(higher: np.ndarray, lower: np.ndarray, deviations: float = NORMAL_95) -> Estimate:
    """How often a score of `higher` (M,) lies above one of `lower` (N,); ties count half.

    The variance is DeLong's (1988), from how often each single score is above or below the others; the interval is
    built on logits, so that it stays within 0 and 1, and is so many `deviations` of a normal distribution to each side.
    Where nothing overlaps the variance would be 0: there it is as wide as that of an event that was never seen.

    Raises:
        ValueError: an empty set.
    """
    first, second = np.asarray(higher, np.float64), np.asarray(lower, np.float64)
    m, n = len(first), len(second)
    if not (m and n):
        raise ValueError("an AUROC needs scores of both kinds")
    every = rankdata(np.concatenate([first, second]))
    above = (every[:m] - rankdata(first)) / n  # of each higher one: the share of lower ones it beats
    below = 1 - (every[m:] - rankdata(second)) / m
    value = float(above.mean())
    variance = float(above.var(ddof=min(1, m - 1)) / m + below.var(ddof=min(1, n - 1)) / n)
    short = SHORT / min(m, n)
    if variance == 0 or not 0 < value < 1:
        return Estimate(value, max(0.0, value - short), min(1.0, value + short), m + n)
    logit = math.log(value / (1 - value))
    half = deviations * math.sqrt(variance) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-edge)) for edge in (logit - half, logit + half))
    return Estimate(value, low, high, m + n)
