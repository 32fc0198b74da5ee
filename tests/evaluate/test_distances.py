"""Distances agree with closed forms, and with the field's implementations where they exist."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from ornstein.errors import UsageError
from ornstein.evaluate.diversity import vendi
from ornstein.evaluate.frechet import FrechetDistance, Moments, frechet_distance
from ornstein.evaluate.mmd import Discrepancy, gaussian, median_distance, polynomial
from tests.common import normal


def all_of(x: torch.Tensor) -> torch.Tensor:
    return torch.arange(len(x))


def test_frechet_distance_of_known_gaussians() -> None:
    """Commuting covariances: |m|^2 + sum (s1 - s2)^2."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64)).Q
    first, second = torch.linspace(0.5, 3, 6).double(), torch.linspace(2, 0.1, 6).double()
    apart = torch.linspace(-1, 1, 6).double()
    a = Moments(torch.zeros(6).double(), (basis * first.square()) @ basis.T, 100)
    b = Moments(apart, (basis * second.square()) @ basis.T, 100)
    expected = float(apart.square().sum() + (first - second).square().sum())
    assert FrechetDistance(a)(b) == pytest.approx(expected, rel=1e-10)
    assert FrechetDistance(b)(a) == pytest.approx(expected, rel=1e-10)
    assert FrechetDistance(a)(a) == pytest.approx(0, abs=1e-10)


def test_frechet_distance_of_samples_is_that_of_their_laws() -> None:
    found = frechet_distance(normal(60_000, 4, seed=1), 0.5 + 2.0 * normal(60_000, 4, seed=2))
    assert found == pytest.approx(4 * 0.25 + 4 * 1.0, rel=0.02)


def test_frechet_distance_is_that_of_torchmetrics() -> None:
    class Given(nn.Module):
        num_features = 16

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    x, y = (
        normal(300, 16, seed=3),
        0.3 + normal(200, 16, seed=4) @ torch.diag(torch.linspace(0.1, 2, 16).double()),
    )
    theirs = FrechetInceptionDistance(Given(), input_img_size=(16,)).set_dtype(torch.float64)
    theirs.update(x, real=True)
    theirs.update(y, real=False)
    assert frechet_distance(x, y) == pytest.approx(float(theirs.compute()), rel=1e-8)


def test_too_few_samples_are_refused_with_the_number_needed() -> None:
    with pytest.raises(UsageError, match="at least 17 samples, not 16"):
        frechet_distance(normal(16, 16, seed=0), normal(40, 16, seed=1))


def test_polynomial_mmd_is_that_of_torchmetrics() -> None:
    x, y = normal(80, 12, seed=5), 0.2 + normal(80, 12, seed=6)
    theirs = float(poly_mmd(x, y))
    assert Discrepancy(x, y, polynomial)(all_of(x), all_of(y)) == pytest.approx(theirs, rel=1e-9)


def test_gaussian_mmd_of_known_gaussians() -> None:
    """For N(0, 1) and N(m, 1) in one dimension every expectation is a Gaussian integral."""
    mean, width = 1.0, 0.7
    x, y = normal(4000, 1, seed=7), mean + normal(4000, 1, seed=8)
    scale = width / math.sqrt(width**2 + 2)
    expected = 2 * scale * (1 - math.exp(-(mean**2) / (2 * (width**2 + 2))))
    found = Discrepancy(x, y, gaussian(width))(all_of(x), all_of(y))
    assert found == pytest.approx(expected, rel=0.1)


def test_mmd_of_equal_laws_is_zero_on_average() -> None:
    found = []
    for seed in range(60):
        x, y = normal(40, 3, seed=seed), normal(40, 3, seed=1000 + seed)
        found.append(Discrepancy(x, y, gaussian(1.0))(all_of(x), all_of(y)))
    error = np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found)) < 3 * error
    assert min(found) < 0  # without bias, so some lie below


def test_median_distance_scales_with_the_set() -> None:
    x = normal(500, 8, seed=9)
    assert median_distance(3 * x) == pytest.approx(3 * median_distance(x))


def test_vendi_counts_what_differs() -> None:
    assert vendi(torch.eye(7).double()) == pytest.approx(7)
    assert vendi(torch.ones(7, 3).double()) == pytest.approx(1)
    copies = torch.eye(5).double().repeat(4, 1)
    assert vendi(copies) == pytest.approx(5)
    shares = torch.tensor([0.5, 0.25, 0.25]).double()
    uneven = torch.eye(3).double()[torch.tensor([0, 0, 1, 2])]
    assert vendi(uneven) == pytest.approx(math.exp(float(-(shares * shares.log()).sum())))
