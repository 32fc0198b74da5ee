r"""Deterministic steppers that remember earlier evaluations: one evaluation a step, second order and more.

In $\lambda=\log(\alpha/\sigma)$ the probability-flow equation is solved by

$$x_s=\frac{\sigma_s}{\sigma_t}x_t+\alpha_s\int_0^h e^{-(h-u)}\,\hat x(u)\,du
=\frac{\alpha_s}{\alpha_t}x_t-\sigma_s\int_0^h e^{h-u}\,\hat\varepsilon(u)\,du$$

(Lu et al. 2022, arXiv 2211.01095, proposition 4.1, and 2206.00927, proposition 3.1). With a guess held fixed both are
the DDIM step; every method here is that step with a better guess to hold: an average over the step of a polynomial
through this guess and earlier ones. A step from pure noise or to clean data is infinitely long in $\lambda$ and stays
of first order, as in the papers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.denoise.posterior import Bound
from ornstein.process.fields import Sample, Time, fieldwise
from ornstein.process.gaussian import Coefficients, coefficients
from ornstein.sample.corrector import corrected, correction_to_come
from ornstein.sample.history import average, held_mean, log_step, noise_moments, past, recall, remember
from ornstein.sample.stepper import Memory, Paths, denoising_step, noise_ratio


def dpmpp_2m(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""DPM-Solver++(2M): second order (Lu et al. 2022, arXiv 2211.01095, algorithm 2).

    The posterior mean is extrapolated to the middle of the step, $\hat x+\tfrac{h}{2h_{-1}}(\hat x-\hat x_{-1})$.
    """
    return _dpmpp(1, denoise, path, x, t, s, memory)


def dpmpp_3m(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    """DPM-Solver++(3M): third order.

    The parabola through three posterior means is averaged whole; the code published with arXiv 2211.01095, and what
    copied it, gives its curvature half its weight and stays of second order.
    """
    return _dpmpp(2, denoise, path, x, t, s, memory)


def _dpmpp(
    depth: int, denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory
) -> tuple[Sample, Memory]:
    here, there = coefficients(path, t), coefficients(path, s)
    mean, size = denoise(x, t).mean, fieldwise(log_step, x, here, there)
    held = fieldwise(held_mean, mean, size, *recall(memory, depth))
    return fieldwise(denoising_step, x, held, here, there), remember(memory, mean, size, depth)


def unipc_3(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""UniPC-3, B(h) of the second kind (Zhao et al. 2023, arXiv 2302.04867, algorithms 5 and 6): fourth order.

    The evaluation at $x_t$ first corrects the step that led there, by the polynomial through it and the guesses that
    step was made of; then the next step is made as in DPM-Solver++(3M).
    """
    here, there = coefficients(path, t), coefficients(path, s)
    mean, size = denoise(x, t).mean, fieldwise(log_step, x, here, there)
    x, flat = corrected(x, mean, memory), recall(memory, 2)
    held = fieldwise(held_mean, mean, size, *flat)
    correction = correction_to_come(fieldwise(_gain, x, here, there), mean, held, size, flat)
    return fieldwise(denoising_step, x, held, here, there), {**remember(memory, mean, size, 2), **correction}


def _gain(x: Float[Tensor, "*shape"], here: Coefficients, there: Coefficients) -> Float[Tensor, "*shape"]:
    """Weight of the posterior mean in the DDIM step."""
    here, there = here.like(x), there.like(x)
    return (there.alpha - noise_ratio(here, there) * here.alpha).expand_as(x)


def deis_3(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""DEIS of three guesses (Zhang & Chen 2022, arXiv 2204.13902, section 3.2), polynomials in $\lambda$: third order.

    The noise is extrapolated instead of the posterior mean.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    mean, size = denoise(x, t).mean, fieldwise(log_step, x, here, there)
    eps = fieldwise(_noise, x, mean, here)
    change = fieldwise(_change_of_noise, eps, size, *recall(memory, 2))
    return fieldwise(_step_in_noise, x, mean, change, here, there), remember(memory, eps, size, 2)


def ipndm_4(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""IPNDM of four guesses (Zhang & Chen 2022, arXiv 2204.13902, equation 20; after Liu et al., 2202.09778).

    Adams-Bashforth as if all steps were equally long: fourth order where they are so in $\sigma/\alpha$, second on any
    smooth grid, and sturdy in few steps.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    mean, one = denoise(x, t).mean, fieldwise(torch.ones_like, x)
    eps = fieldwise(_noise, x, mean, here)
    change = fieldwise(_change_by_count, eps, *recall(memory, 3))
    return fieldwise(_step_in_noise, x, mean, change, here, there), remember(memory, eps, one, 3)


def _noise(
    x: Float[Tensor, "*shape"], mean: Float[Tensor, "*shape"], here: Coefficients
) -> Float[Tensor, "*shape"]:
    """The noise that goes with a posterior mean; 0 where there is none."""
    here = here.like(x)
    return torch.where(here.sigma == 0, 0.0, (x - here.alpha * mean) / here.sigma)


def _change_of_noise(
    eps: Float[Tensor, "*shape"], size: Float[Tensor, "*#shape"], *flat: Float[Tensor, "*#shape"]
) -> Float[Tensor, "*shape"]:
    earlier = past(flat)
    return average(eps, earlier, noise_moments(size, len(earlier))) - eps


def _change_by_count(
    eps: Float[Tensor, "*shape"], *flat: Float[Tensor, "*#shape"]
) -> Float[Tensor, "*shape"]:
    earlier = past(flat)
    return average(eps, earlier, [torch.full_like(eps, 1 / (k + 2)) for k in range(len(earlier))]) - eps


def _step_in_noise(
    x: Float[Tensor, "*shape"],
    mean: Float[Tensor, "*shape"],
    change: Float[Tensor, "*shape"],
    here: Coefficients,
    there: Coefficients,
) -> Float[Tensor, "*shape"]:
    """The DDIM step with the noise changed; from pure noise, where nothing came before, with no change."""
    moved, here, there = denoising_step(x, mean, here, there), here.like(x), there.like(x)
    gain = torch.where(here.alpha == 0, 0.0, there.sigma - there.alpha * here.sigma / here.alpha)
    return moved + gain * change
