"""Intervals hold the truth about as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ornstein.evaluate.estimate import Estimate, of_mean, of_statistic, ratio


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
