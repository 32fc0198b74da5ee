"""Likelihood by the probability flow agrees with densities that are known."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from ornstein.denoise.exact import MixtureDenoiser
from ornstein.process.gaussian import Cosine, Flow, Path
from ornstein.sample.likelihood import bits_per_dimension, log_likelihood
from ornstein.sample.loop import sample
from ornstein.sample.registry import METHODS
from tests.common import gaussian, normal, real, slope

NEAR = 6.0  # logsnr where the grids start
each_whole_path = pytest.mark.parametrize("path", [Flow(), Cosine()], ids=["flow", "cosine"])


def rising(path: Path, steps: int) -> Tensor:
    """From near data to pure noise, even in the path's own clock."""
    return torch.linspace(float(path.time(real(NEAR))), 1, steps + 1, dtype=torch.float64)


@each_whole_path
def test_gaussian_data_at_second_order(path):
    denoiser, x = gaussian(path), normal(5, 3)
    c = path(rising(path, 1)[0])
    spread = (c.alpha**2 * denoiser.deviation**2 + c.sigma**2).sqrt()
    exact = Normal(c.alpha * denoiser.mean, spread).log_prob(x).sum(1)

    def error(steps: int) -> float:
        found = log_likelihood(denoiser, path, x, rising(path, steps), None, range(5))
        return float((found - exact).abs().max())

    assert slope(error, (96, 192)) == pytest.approx(2, abs=0.15)
    assert error(192) < 5e-3


def test_data_of_unit_variance_needs_no_integral():
    """All of its volume is the part that is known in closed form."""
    path, x = Flow(), normal(5, 3)
    c = path(rising(path, 1)[0])
    found = log_likelihood(gaussian(path, 0.0, 1.0), path, x, rising(path, 400), None, range(5))
    torch.testing.assert_close(found, Normal(0.0, c.scale).log_prob(x).sum(1), rtol=1e-4, atol=1e-4)


def test_a_mixture_by_the_mean_over_directions():
    """Where elements depend on each other the trace is an estimate: right on average over seeds."""
    path, means, deviations, weights = (
        Flow(),
        real(-1.0, 0.8, 0.5, -0.6).view(2, 2),
        real(0.5, 0.4),
        real(0.4, 0.6),
    )
    denoiser = MixtureDenoiser(path, means, deviations, weights.log())
    grid, point = rising(path, 100), real(0.2, -0.1)
    c = path(grid[0])
    spread = (c.alpha**2 * deviations**2 + c.sigma**2).sqrt()[:, None].expand(2, 2)
    exact = MixtureSameFamily(Categorical(weights), Independent(Normal(c.alpha * means, spread), 1)).log_prob(
        point
    )
    found = log_likelihood(denoiser, path, point.expand(400, 2), grid, None, range(400))
    assert float(found.std()) > 0.01
    assert float(found.mean()) == pytest.approx(float(exact), abs=4 * float(found.std()) / 20 + 1e-3)


@each_whole_path
def test_noise_and_back(path):
    """Followed to noise and back on the same grid, a sample returns: the errors of second order cancel."""
    denoiser, x = gaussian(path), normal(5, 3)

    def error(steps: int) -> float:
        grid = rising(path, steps)
        noise = sample(METHODS["heun"], denoiser, path, x, grid, None, range(5))
        back = sample(METHODS["heun"], denoiser, path, noise, grid.flip(0), None, range(5))
        return float((back - x).abs().max())

    assert slope(error, (96, 192)) == pytest.approx(3, abs=0.2)
    grid = rising(path, 192)
    noise = sample(METHODS["heun"], denoiser, path, x, grid, None, range(5))
    torch.testing.assert_close(noise, denoiser.solution(x, grid[:1], grid[-1:]), rtol=1e-3, atol=1e-3)


def test_bits_are_those_of_a_known_code():
    """Uniform bytes: a density of one in 256 for each, which is 8 bits."""
    deviation, dimensions = 0.5, 12
    width = 2 * 256 / 255 / deviation  # of the encoded range, bins and all
    nats = torch.tensor([-dimensions * math.log(width)])
    bits = bits_per_dimension(nats, dimensions, deviation)
    assert float(bits) == pytest.approx(8, abs=1e-5)


def test_a_grid_must_rise_from_some_noise():
    x = normal(2, 3)
    for times in ([0.0, 0.5], [0.5, 0.2]):
        with pytest.raises(ValueError, match="must rise"):
            log_likelihood(gaussian(Flow()), Flow(), x, real(*times), None, [0, 1])
