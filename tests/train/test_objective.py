"""The loss is unbiased, and its weights are exact changes of quantity."""

from __future__ import annotations

import pytest
import torch

from ornstein.denoise.algebra import compose, level
from ornstein.denoise.exact import GaussianDenoiser
from ornstein.process.gaussian import Cosine, Flow, LinearBeta, Path
from ornstein.train.objective import WeightName, denoising_loss, weight


@pytest.mark.parametrize("name", ["x", "eps", "v", "flow"])
def test_weight_turns_an_error_of_x_into_the_error_of_the_quantity(name: WeightName) -> None:
    logsnr = torch.linspace(-6, 6, 13, dtype=torch.float64)
    a, s = level(logsnr)
    x, guess = torch.randn(13, dtype=torch.float64), torch.randn(13, dtype=torch.float64)
    eps = torch.randn(13, dtype=torch.float64)
    guessed_eps = (a * x + s * eps - a * guess) / s  # the noise that goes with the guess at the same z
    error = compose(name, guess, guessed_eps, a, s) - compose(name, x, eps, a, s)
    assert torch.allclose(weight(name, logsnr) * (guess - x).square(), error.square(), rtol=1e-10)


def test_cap_bounds_the_weight_and_changes_nothing_below_it() -> None:
    logsnr = torch.linspace(-10, 10, 50)
    free, capped = weight("flow", logsnr), weight("flow", logsnr, cap=5.0)
    assert capped.max() == 5.0
    assert torch.equal(capped[free <= 5], free[free <= 5])


@pytest.mark.parametrize("path", [Cosine(), Flow(), LinearBeta()], ids=lambda p: p.kind)
@pytest.mark.parametrize("name", ["x", "eps", "v", "flow"])
def test_expected_loss_of_the_exact_denoiser_is_the_posterior_variance_times_the_weight(
    path: Path, name: WeightName
) -> None:
    torch.manual_seed(0)
    count, deviation = 200_000, 0.7
    t = torch.full((count,), 0.4, dtype=torch.float64)
    x = deviation * torch.randn(count, 1, dtype=torch.float64)
    denoiser = GaussianDenoiser(path, torch.zeros(1).double(), torch.tensor([deviation]).double())
    losses = denoising_loss(denoiser, path, x, t, torch.randn_like(x), None, name)
    c = path(t[:1])
    variance = 1 / (1 / deviation**2 + c.alpha**2 / c.sigma**2)  # precision adds: prior plus observation
    expected = float(variance * weight(name, c.logsnr))
    error = float(losses.double().std()) / count**0.5
    assert abs(float(losses.double().mean()) - expected) < 4 * error


def test_no_denoiser_beats_the_exact_one() -> None:
    torch.manual_seed(1)
    path, x = Flow(), torch.randn(50_000, 1, dtype=torch.float64)
    t, noise = (
        torch.rand(50_000, dtype=torch.float64) * 0.9 + 0.05,
        torch.randn(50_000, 1, dtype=torch.float64),
    )
    one = torch.ones(1, dtype=torch.float64)
    best = denoising_loss(GaussianDenoiser(path, 0 * one, one), path, x, t, noise, None, "x").mean()
    for mean, deviation in ((0.0, 0.8), (0.0, 1.3), (0.2, 1.0)):
        other = GaussianDenoiser(path, mean * one, deviation * one)
        assert denoising_loss(other, path, x, t, noise, None, "x").mean() > best
