"""Steppers that need no memory: DDIM, Heun, ancestral."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
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
    regular at both ends of every path; where the step ends in clean data it is the DDIM step, as in the paper (and
    when every element's step does, the second evaluation is not made).
    """
    here, there = coefficients(path, t), coefficients(path, s)
    first = denoise(x, t).mean
    guess = fieldwise(denoising_step, x, first, here, there)
    if _clean(there):
        return guess, memory
    second = denoise(guess, s).mean
    return fieldwise(_trapezoid, x, first, guess, second, here, there), memory


def _clean(c: Coefficients | Mapping[str, Coefficients]) -> bool:
    """Whether no element holds noise any more."""
    return all(bool((part.sigma == 0).all()) for part in (c.values() if isinstance(c, Mapping) else [c]))


def _trapezoid(
    x: Float[Tensor, "*shape"],
    first: Float[Tensor, "*shape"],
    guess: Float[Tensor, "*shape"],
    second: Float[Tensor, "*shape"],
    here: Coefficients,
    there: Coefficients,
) -> Float[Tensor, "*shape"]:
    here, there = here.like(x), there.like(x)
    size_t, size_s = here.alpha + here.sigma, there.alpha + there.sigma
    done = (there.sigma == 0) | (here.sigma == 0)
    slope_t = _velocity(x, first, here, done)
    slope_s = _velocity(guess, second, there, done)
    change = there.sigma / size_s - here.sigma / size_t
    return torch.where(done, guess, size_s * (x / size_t + change * (slope_t + slope_s) / 2))


def _velocity(
    x: Float[Tensor, "*shape"], mean: Float[Tensor, "*shape"], c: Coefficients, done: Bool[Tensor, "*#shape"]
) -> Float[Tensor, "*shape"]:
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


def _posterior_draw(
    x: Float[Tensor, "*shape"],
    mean: Float[Tensor, "*shape"],
    noise: Float[Tensor, "*shape"],
    here: Coefficients,
    there: Coefficients,
) -> Float[Tensor, "*shape"]:
    here, there = here.like(x), there.like(x)
    ratio = noise_ratio(here, there)
    # alpha of the single step from s to t; 1 where a row rests, be it at pure noise
    step = torch.where(here.alpha == there.alpha, 1.0, here.alpha / there.alpha)
    keep = step * ratio**2  # weight of x_t: step * sigma_s^2 / sigma_t^2
    added = (1 - (step * ratio) ** 2).clamp(min=0)  # share of sigma_s^2 that is fresh noise
    return keep * x + (there.alpha - keep * here.alpha) * mean + there.sigma * added.sqrt() * noise
