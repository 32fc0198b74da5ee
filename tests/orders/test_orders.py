"""Measured orders of convergence, of every method on every path, against exact solutions."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from ornstein.denoise.exact import MixtureDenoiser
from ornstein.process.gaussian import Cosine, Flow, Path
from ornstein.sample.loop import sample
from ornstein.sample.registry import METHODS
from ornstein.sample.stepper import Method
from tests.common import each_deterministic, each_path, gaussian, normal, real, slope, unused_noise

TOLERANCE = {1: 0.1, 2: 0.15}
STEPS = (96, 192)


def end(method: Method, denoiser, path: Path, x: Tensor, grid: Tensor) -> Tensor:
    return sample(method, denoiser, path, x, grid, None, [0] * len(x))


def levels(path: Path, steps: int) -> Tensor:
    """Times between logsnr -4 and 4, equal steps in the path's own clock."""
    high, low = path.time(real(-4.0, 4.0)).tolist()
    return torch.linspace(high, low, steps + 1, dtype=torch.float64)


@each_path
@each_deterministic
def test_order_on_gaussian_data(method, path):
    denoiser = gaussian(path)
    x = normal(6, 1) * path(levels(path, 1)[:1]).scale

    def error(steps: int) -> float:
        grid = levels(path, steps)
        exact = denoiser.solution(x, grid[:1], grid[-1:])
        return float((end(method, denoiser, path, x, grid) - exact).abs().max())

    assert slope(error, STEPS) == pytest.approx(method.order, abs=TOLERANCE[method.order])


@pytest.mark.parametrize("path", [Flow(), Cosine()], ids=["flow", "cosine"])
@pytest.mark.parametrize("name", ["ddim", "heun"])
def test_order_from_pure_noise_to_clean_data(name, path):
    """Both ends are regular on these paths for one-step methods, so the order holds over the whole of [0, 1].

    A two-step method extrapolates in log(alpha / sigma), which has no ends: there it loses a logarithm of the steps.
    """
    method, denoiser, x = METHODS[name], gaussian(path), normal(6, 1)
    exact = denoiser.solution(x, real(1.0).reshape(1), real(0.0).reshape(1))

    def error(steps: int) -> float:
        grid = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
        return float((end(method, denoiser, path, x, grid) - exact).abs().max())

    assert slope(error, STEPS) == pytest.approx(method.order, abs=TOLERANCE[method.order])


@cache
def mixture(path: Path) -> tuple[MixtureDenoiser, Tensor, Tensor]:
    """A nonlinear denoiser, starting points, and where an independent solver takes them.

    The solver integrates the flow in the rectified frame: y = x / (alpha + sigma) moves by E[eps] - E[x]
    for each unit of u = sigma / (alpha + sigma).
    """
    means = real(-1.0, 0.8, 0.5, -0.6).view(2, 2)
    denoiser = MixtureDenoiser(path, means, real(0.5, 0.4), real(0.4, 0.6).log())
    ends = levels(path, 1)
    sizes = path(ends).alpha + path(ends).sigma
    x = normal(4, 2) * path(ends[:1]).scale

    def velocity(u: float, y: np.ndarray) -> np.ndarray:
        t = path.time(2 * real((1 - u) / u).log()).reshape(1)
        c = path(t)
        x_t = torch.as_tensor(y).view(4, 2) * (c.alpha + c.sigma)
        mean = denoiser(x_t, t.expand(4)).mean
        return ((x_t - c.alpha * mean) / c.sigma - mean).flatten().numpy()

    span = (path(ends).sigma / sizes).tolist()
    solved = solve_ivp(velocity, span, (x / sizes[0]).flatten().numpy(), rtol=1e-9, atol=1e-10)
    return denoiser, x, torch.as_tensor(solved.y[:, -1]).view(4, 2) * sizes[1]


@each_path
@each_deterministic
def test_order_on_a_mixture(method, path):
    denoiser, x, exact = mixture(path)

    def error(steps: int) -> float:
        return float((end(method, denoiser, path, x, levels(path, steps)) - exact).abs().max())

    assert slope(error, STEPS) == pytest.approx(method.order, abs=TOLERANCE[method.order])


def affine(method: Method, path: Path, denoiser, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(A, b, C) of a step x -> A x + b + C noise, found by probing it with basis inputs."""

    points, drawn = real(0.0, 1.0, 0.0), real(0.0, 0.0, 1.0)
    moved, _ = method.step(denoiser, path, points, t.expand(3), s.expand(3), {}, lambda: drawn)
    offset, unit, spread = moved.split(1)
    return unit - offset, offset, spread - offset


@each_path
def test_weak_order_of_ancestral_sampling(path):
    """On Gaussian data a step is affine, so the mean and variance of the output follow exactly, without sampling.

    The truth is the reverse process: started from a point x_t it is Gaussian with the mean and variance of
    q(x_s | x_t), since data and noise are jointly Gaussian. The mean is met exactly; the variance at first order.
    """
    method, denoiser, point = METHODS["ddpm"], gaussian(path), 1.3

    def moments(steps: int) -> tuple[Tensor, Tensor]:
        mean, variance = real(point).reshape(1), torch.zeros(1, dtype=torch.float64)
        grid = levels(path, steps)
        for t, s in zip(grid[:-1, None], grid[1:, None], strict=True):
            gain, offset, spread = affine(method, path, denoiser, t, s)
            mean, variance = gain * mean + offset, gain**2 * variance + spread**2
        return mean, variance

    c = path(levels(path, 1))
    total = c.alpha**2 * denoiser.deviation**2 + c.sigma**2
    joint = c.alpha[0] / c.alpha[1] * total[1]  # covariance of x_t and x_s
    mean = c.alpha[1] * denoiser.mean + joint / total[0] * (point - c.alpha[0] * denoiser.mean)
    variance = total[1] - joint**2 / total[0]
    torch.testing.assert_close(moments(8)[0], mean.reshape(1), rtol=1e-9, atol=1e-9)
    order = slope(lambda steps: float((moments(steps)[1] - variance).abs()), STEPS)
    assert order == pytest.approx(method.order, abs=TOLERANCE[1])


@each_path
def test_ancestral_step_is_exact_when_the_data_is_one_point(path):
    """With the posterior mean known for sure, any pair of times draws from q(x_s | x_t, x): marginals stay exact."""
    method, denoiser = METHODS["ddpm"], gaussian(path, deviation=1e-9)
    grid = levels(path, 3)
    c = path(grid)
    mean, variance = c.alpha[0] * denoiser.mean, c.sigma[0] ** 2
    for k in range(3):
        gain, offset, spread = affine(method, path, denoiser, grid[k : k + 1], grid[k + 1 : k + 2])
        mean, variance = gain * mean + offset, gain**2 * variance + spread**2
    torch.testing.assert_close(mean, (c.alpha[-1] * denoiser.mean).reshape(1), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(variance, (c.sigma[-1] ** 2).reshape(1), rtol=1e-6, atol=1e-8)


@each_deterministic
def test_deterministic_methods_draw_no_noise(method):
    path = Flow()
    x = normal(2, 3)
    method.step(gaussian(path), path, x, real(0.9, 0.8), real(0.5, 0.4), method.fresh(x), unused_noise)
