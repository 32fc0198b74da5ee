"""Deterministic steppers that need no memory: DDIM, Heun, DPM-Solver++(2S) and (3S)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ornstein.denoise.posterior import Bound
from ornstein.process.fields import Sample, Time, fieldwise
from ornstein.process.gaussian import Coefficients, coefficients
from ornstein.sample.history import log_step, mean_moments
from ornstein.sample.stepper import Memory, Paths, denoising_step


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


def dpmpp_2s(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""DPM-Solver++(2S): second order, two evaluations (Lu et al. 2022, arXiv 2211.01095, algorithm 1, r = 1/2).

    The posterior mean in the middle of the step, in $\lambda=\log(\alpha/\sigma)$, is held for all of it.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    first = denoise(x, t).mean
    if _clean(there):
        return fieldwise(denoising_step, x, first, here, there), memory
    middle = between(path, t, s, 1 / 2)
    guess = fieldwise(denoising_step, x, first, here, coefficients(path, middle))
    return fieldwise(denoising_step, x, denoise(guess, middle).mean, here, there), memory


def dpmpp_3s(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""DPM-Solver++(3S): third order, three evaluations, at thirds of the step in $\lambda$.

    DPM-Solver-3 (Lu et al. 2022, arXiv 2206.00927, algorithm 2) in the posterior mean: each evaluation bends the line
    of means that the next stretch holds the average of.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    first = denoise(x, t).mean
    if _clean(there):
        return fieldwise(denoising_step, x, first, here, there), memory
    third, later = (between(path, t, s, share) for share in (1 / 3, 2 / 3))
    guess = fieldwise(denoising_step, x, first, here, coefficients(path, third))
    second, then = denoise(guess, third).mean, coefficients(path, later)
    guess = fieldwise(_along_a_line, x, first, second, here, then, 1 / 2)
    return fieldwise(_along_a_line, x, first, denoise(guess, later).mean, here, there, 2 / 3), memory


def between(path: Paths, t: Time, s: Time, share: float) -> Time:
    r"""The time a share of the way from $t$ to $s$ in $\lambda$; $t$ itself where the way is endless, or none."""
    fields = next((part for part in (path, t, s) if isinstance(part, Mapping)), None)
    if fields is None:
        return _between(path, t, s, share)
    return {str(name): _between(_of(path, name), _of(t, name), _of(s, name), share) for name in fields}


def _of(part: Any, field: str) -> Any:
    """A field's own part, or what all fields share."""
    return cast(Mapping[str, Any], part)[field] if isinstance(part, Mapping) else part


def _between(path: Any, t: Any, s: Any, share: float) -> Float[Tensor, "*time"]:
    here, there = path(t).logsnr, path(s).logsnr
    way = (there != here) & (there - here).isfinite()
    return torch.where(way, path.time(torch.where(way, here + share * (there - here), 0.0)), t)


def _along_a_line(
    x: Float[Tensor, "*shape"],
    first: Float[Tensor, "*shape"],
    later: Float[Tensor, "*shape"],
    here: Coefficients,
    there: Coefficients,
    share: float,
) -> Float[Tensor, "*shape"]:
    """A step with the average of the line of means through the step's start and the point after `share` of it."""
    size = log_step(x, here, there)
    (middle,) = mean_moments(size, 1)
    slope = torch.where(middle == 0, 0.0, (later - first) / (share * size))
    return denoising_step(x, first + slope * middle, here, there)
