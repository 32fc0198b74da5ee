"""Intervals hold the truth about as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ornstein.evaluate.estimate import Estimate, of_mean, of_statistic, ratio, wilson


def test_intervals_of_a_mean_hold_it_nineteen_times_in_twenty() -> None:
    random = np.random.default_rng(0)
    held = [
        found.low < 1.0 < found.high for found in (of_mean(random.exponential(size=80)) for _ in range(200))
    ]
    assert 0.89 < np.mean(held) < 0.99


def test_intervals_of_a_statistic_hold_it_nineteen_times_in_twenty() -> None:
    """The difference of two means, whose error is known: the interval must be as wide as the normal one."""
    random, held, widths = np.random.default_rng(1), [], []
    for _ in range(150):
        x, y = (torch.from_numpy(random.normal(size=100)) for _ in range(2))
        found = of_statistic(lambda a, b, x=x, y=y: float(x[a].mean() - y[b].mean()), 100, 100)
        held.append(found.low < 0 < found.high)
        widths.append(found.high - found.low)
    assert 0.87 < np.mean(held) < 0.99
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.sqrt(2 / 100), rel=0.12)


def test_a_ratio_is_as_uncertain_as_its_parts_together() -> None:
    found = ratio(Estimate(2.0, 1.8, 2.2, 50), Estimate(1.0, 0.9, 1.1, 40))
    assert found.value == 2.0
    assert found.count == 40
    assert found.low == pytest.approx(2 * 0.866, abs=0.01)
    assert found.high == pytest.approx(2 * 1.152, abs=0.01)
    with pytest.raises(ValueError, match="positive"):
        ratio(Estimate(1.0, 0.9, 1.1, 5), Estimate(0.0, 0.0, 0.0, 5))


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (3, 10), (45, 300), (300, 300)])
def test_interval_holds_the_shares_that_could_have_given_the_hits(hits: int, count: int) -> None:
    """Its ends are the shares p at which the hits lie 1.96 standard deviations of p off."""
    low, high = wilson(hits, count)
    assert 0 <= low <= hits / count <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            off = abs(hits / count - end) / math.sqrt(end * (1 - end) / count)
            assert off == pytest.approx(1.96, abs=1e-3)


def test_a_share_of_nothing_may_be_any_and_none_of_many_is_little_not_none() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    none = of_mean(np.zeros(2000, bool))
    assert (none.value, none.low, none.count) == (0.0, 0.0, 2000)
    assert none.high == pytest.approx(0.00192, abs=1e-5)
