"""Measured orders of convergence, of every method on every path, against exact solutions."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

import math
import operator
from functools import cache, partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from ornstein.denoise.exact import MixtureDenoiser
from ornstein.process.gaussian import Cosine, Flow, Path, VarianceExploding
from ornstein.sample import multistep
from ornstein.sample.loop import sample
from ornstein.sample.registry import METHODS
from ornstein.sample.stepper import Method
from tests.common import (
    each_deterministic,
    each_path,
    each_stochastic,
    gaussian,
    half_curved,
    normal,
    real,
    slope,
    unused_noise,
)

TOLERANCE = {1: 0.1, 2: 0.15, 3: 0.2, 4: 0.2}
WEAK_TOLERANCE = {1: 0.1, 2: 0.3, 3: 0.4}
STEPS = (96, 192)


def end(method: Method, denoiser, path: Path, x: Tensor, grid: Tensor) -> Tensor:
    return sample(method, denoiser, path, x, grid, None, [0] * len(x))


def levels(path: Path, steps: int) -> Tensor:
    """Times between logsnr -4 and 4, equal steps in the path's own clock."""
    high, low = path.time(real(-4.0, 4.0)).tolist()
    return torch.linspace(high, low, steps + 1, dtype=torch.float64)


def graded(path: Path, steps: int) -> Tensor:
    """Times between logsnr -4 and 4 whose steps vary smoothly, but for the first few.

    Those grow from h^2 to h: a method with a memory has no past at first, and its first step, of first order, must not
    be what is measured.
    """
    sizes = [steps**-2.0]
    while sizes[-1] < 1 / steps:
        sizes.append(min(2 * sizes[-1], 1 / steps))
    early = torch.tensor([0.0, *sizes], dtype=torch.float64).cumsum(0)
    rest = torch.linspace(float(early[-1]), 1, steps, dtype=torch.float64)
    share = torch.cat([early, rest[1:]])
    return path.time(8 * (share + 0.1 * (2 * math.pi * share).sin()) - 4)


@each_path
@each_deterministic
def test_order_on_gaussian_data(method, path):
    denoiser = gaussian(path)
    x = normal(6, 1) * path(levels(path, 1)[:1]).scale

    def error(steps: int) -> float:
        grid = graded(path, steps)
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


def test_half_of_the_curvature_costs_an_order(monkeypatch):
    """DPM-Solver++(3M) as published, and as diffusers has it."""
    path, method, x = Flow(), METHODS["dpmpp-3m"], normal(6, 1)
    monkeypatch.setattr(multistep, "held_mean", half_curved)

    def error(steps: int) -> float:
        grid = graded(path, steps)
        exact = gaussian(path).solution(x, grid[:1], grid[-1:])
        return float((end(method, gaussian(path), path, x, grid) - exact).abs().max())

    assert slope(error, STEPS) == pytest.approx(2, abs=TOLERANCE[2])


@each_path
@each_deterministic
def test_order_on_a_mixture(method, path):
    denoiser, x, exact = mixture(path)

    def error(steps: int) -> float:
        return float((end(method, denoiser, path, x, graded(path, steps)) - exact).abs().max())

    assert slope(error, STEPS) == pytest.approx(method.order, abs=TOLERANCE[method.order])


def test_fixed_numbers_are_of_fourth_order_where_steps_are_even():
    """iPNDM's are those of Adams and Bashforth: on even steps in sigma / alpha, and after an exact past."""
    path = VarianceExploding()
    method, denoiser, x = METHODS["ipndm-4"], gaussian(path), normal(6, 1)

    def error(steps: int) -> float:
        grid = path.time(-2 * torch.linspace(3, 1, steps + 1, dtype=torch.float64).log())
        memory, moved = method.fresh(x), x
        for k, (t, s) in enumerate(pairwise(grid)):
            held = denoiser.solution(3 * x, grid[:1], t[None]) if k < 4 else moved
            moved, memory = method.step(denoiser, path, held, t.expand(6), s.expand(6), memory, unused_noise)
        return float((moved - denoiser.solution(3 * x, grid[:1], grid[-1:])).abs().max())

    assert slope(error, STEPS) == pytest.approx(4, abs=TOLERANCE[4])


class Moments(NamedTuple):
    """The law of the last sample given the first, x: Gaussian of mean `gain` x + `offset`."""

    gain: Tensor
    offset: Tensor
    variance: Tensor


def moments(method: Method, denoiser, path: Path, grid: Tensor) -> Moments:
    """Exactly, without sampling: on Gaussian data every method is affine in its start and in each step's noise.

    Rows of one batch: start 0, start 1, and start 0 with a unit of noise in one of the steps.
    """
    rows = len(grid) + 1
    x = torch.zeros(rows, 1, dtype=torch.float64)
    x[1] = 1
    memory = method.fresh(x)
    for k, (t, s) in enumerate(pairwise(grid)):
        noise = torch.zeros_like(x)
        noise[2 + k] = 1
        x, memory = method.step(
            denoiser, path, x, t.expand(rows), s.expand(rows), memory, partial(torch.clone, noise)
        )
    return Moments(x[1] - x[0], x[0], (x[2:] - x[0]).square().sum(0))


@each_path
@each_stochastic
def test_weak_order(method, path):
    """Started with the law of x_t, a method ends with that of x_s: the mean exactly, the variance at its order."""
    denoiser = gaussian(path)

    def law(steps: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        grid = path.time(torch.linspace(-8, 3, steps + 1, dtype=torch.float64))
        c, found = path(grid[[0, -1]]), moments(method, denoiser, path, grid)
        start, end = c.alpha**2 * denoiser.deviation**2 + c.sigma**2
        mean = found.gain * c.alpha[0] * denoiser.mean + found.offset
        return mean, c.alpha[1] * denoiser.mean, found.gain**2 * start + found.variance, end

    mean, exact = law(8)[:2]
    torch.testing.assert_close(mean, exact.reshape(1), rtol=1e-9, atol=1e-9)
    order = slope(lambda steps: float(operator.sub(*law(steps)[2:]).abs()), STEPS)
    assert order == pytest.approx(method.order, abs=WEAK_TOLERANCE[method.order])


@each_path
@pytest.mark.parametrize("name", ["ddpm", "sde-dpmpp-2m", "sa-solver"])
def test_the_reverse_process_is_followed(name, path):
    """Not only the marginals: given x_t, x_s has the law of the process, jointly Gaussian with x_t."""
    denoiser = gaussian(path)

    def law(steps: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        grid = path.time(torch.linspace(-8, 3, steps + 1, dtype=torch.float64))
        c, found = path(grid[[0, -1]]), moments(METHODS[name], denoiser, path, grid)
        start, end = c.alpha**2 * denoiser.deviation**2 + c.sigma**2
        joint = c.alpha[0] / c.alpha[1] * end  # covariance of x_t and x_s
        return found.gain, joint / start, found.variance, end - joint**2 / start

    gain, exact = law(8)[:2]
    torch.testing.assert_close(gain, exact.reshape(1), rtol=1e-9, atol=1e-9)
    order = slope(lambda steps: float(operator.sub(*law(steps)[2:]).abs()), STEPS)
    assert order == pytest.approx(METHODS[name].order, abs=WEAK_TOLERANCE[METHODS[name].order])


@each_path
@pytest.mark.parametrize("name", ["ddpm", "sde-dpmpp-2m", "sa-solver", "er-sde"])
def test_steps_are_exact_when_the_data_is_one_point(name, path):
    """With the posterior mean known for sure, a step of any length draws from q(x_s | x_t, x): marginals stay exact."""
    denoiser, grid = gaussian(path, deviation=1e-9), levels(path, 3)
    c, found = path(grid), moments(METHODS[name], denoiser, path, grid)
    mean = found.gain * c.alpha[0] * denoiser.mean + found.offset
    variance = found.gain**2 * c.sigma[0] ** 2 + found.variance
    torch.testing.assert_close(mean, (c.alpha[-1] * denoiser.mean).reshape(1), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(variance, (c.sigma[-1] ** 2).reshape(1), rtol=1e-6, atol=1e-8)


@each_deterministic
def test_deterministic_methods_draw_no_noise(method):
    path = Flow()
    x = normal(2, 3)
    method.step(gaussian(path), path, x, real(0.9, 0.8), real(0.5, 0.4), method.fresh(x), unused_noise)
