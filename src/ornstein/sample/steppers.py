"""Steppers that need no memory: DDIM, Heun, ancestral."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ornstein.denoise.posterior import Bound
from ornstein.process.fields import Sample, Time, fieldwise
from ornstein.process.gaussian import Coefficients, coefficients
from ornstein.sample.stepper import Memory, Paths, denoising_step, noise_ratio


def ddim(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    """First order, deterministic, one evaluation (Song et al. 2020, arXiv 2010.02502)."""
    here, there = coefficients(path, t), coefficients(path, s)
    return fieldwise(denoising_step, x, denoise(x, t).mean, here, there), memory


def heun(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""Second order, deterministic, two evaluations (Karras et al. 2022, arXiv 2206.00364, algorithm 1).

    The trapezoid is taken in the rectified frame $x/(\alpha+\sigma)$ against $\sigma/(\alpha+\sigma)$, which is
    regular at both ends of every path; where the step ends in clean data it is the DDIM step, as in the paper.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    first = denoise(x, t).mean
    guess = fieldwise(denoising_step, x, first, here, there)
    second = denoise(guess, s).mean
    return fieldwise(_trapezoid, x, first, guess, second, here, there), memory


def _trapezoid(
    x: Tensor, first: Tensor, guess: Tensor, second: Tensor, here: Coefficients, there: Coefficients
) -> Tensor:
    here, there = here.like(x), there.like(x)
    size_t, size_s = here.alpha + here.sigma, there.alpha + there.sigma
    done = (there.sigma == 0) | (here.sigma == 0)
    slope_t = _velocity(x, first, here, done)
    slope_s = _velocity(guess, second, there, done)
    change = there.sigma / size_s - here.sigma / size_t
    return torch.where(done, guess, size_s * (x / size_t + change * (slope_t + slope_s) / 2))


def _velocity(x: Tensor, mean: Tensor, c: Coefficients, done: Tensor) -> Tensor:
    """Noise minus data, the slope of the rectified frame; anything finite where `done`."""
    return (x - c.alpha * mean) / torch.where(done, 1.0, c.sigma) - mean


def ancestral(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""DDPM: draw from $q(x_s\mid x_t,\hat x)$; weak order one, stochastic, one evaluation.

    Ho et al. 2020, arXiv 2006.11239, eq. 6-7, with the posterior variance, for any pair of times.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    return fieldwise(_posterior_draw, x, denoise(x, t).mean, noise(), here, there), memory


def _posterior_draw(x: Tensor, mean: Tensor, noise: Tensor, here: Coefficients, there: Coefficients) -> Tensor:
    here, there = here.like(x), there.like(x)
    ratio = noise_ratio(here, there)
    step = here.alpha / there.alpha  # alpha of the single step from s to t
    keep = step * ratio**2  # weight of x_t: step * sigma_s^2 / sigma_t^2
    added = (1 - (step * ratio) ** 2).clamp(min=0)  # share of sigma_s^2 that is fresh noise
    return keep * x + (there.alpha - keep * here.alpha) * mean + there.sigma * added.sqrt() * noise
