"""Neighbourhood figures agree with the reference implementation, and say what they should of known failures."""

from __future__ import annotations

import pytest
import torch
from prdc import compute_prdc

from ornstein.evaluate.manifold import manifold
from tests.common import normal

FIELDS = ("precision", "recall", "density", "coverage")


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (0.6, 1.0), (0.0, 0.3), (0.0, 2.0)])
def test_figures_are_those_of_prdc(mean: float, deviation: float) -> None:
    real, fake = normal(150, 5, seed=1), mean + deviation * normal(120, 5, seed=2)
    ours = manifold(real, fake)
    for fields, k in ((FIELDS[:2], 3), (FIELDS[2:], 5)):
        theirs = compute_prdc(real.numpy(), fake.numpy(), nearest_k=k)
        for name in fields:
            assert float(getattr(ours, name).double().mean()) == pytest.approx(theirs[name], abs=0.011), name


def test_dropped_modes_cost_recall_and_coverage_and_noise_costs_precision_and_density() -> None:
    modes = 10 * torch.eye(4).double()
    real = modes.repeat(50, 1) + 0.1 * normal(200, 4, seed=3)
    half = modes[:2].repeat(100, 1) + 0.1 * normal(200, 4, seed=4)
    noisy = modes.repeat(50, 1) + 3.0 * normal(200, 4, seed=5)
    dropped, spread = manifold(real, half), manifold(real, noisy)
    assert float(dropped.precision.double().mean()) > 0.9 > 0.6 > float(dropped.recall.double().mean())
    assert float(dropped.coverage.double().mean()) < 0.55
    assert float(spread.precision.double().mean()) < 0.1
    assert float(spread.density.mean()) < 0.1


def test_as_good_as_real_scores_about_one() -> None:
    found = manifold(normal(800, 3, seed=6), normal(800, 3, seed=7))
    assert float(found.density.mean()) == pytest.approx(1.0, abs=0.1)
    assert float(found.coverage.double().mean()) > 0.9


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 5"):
        manifold(normal(5, 3, seed=0), normal(50, 3, seed=0))
