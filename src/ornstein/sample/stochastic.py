r"""Steppers that add noise on the way: what a step removes, and some of what it leaves, is drawn anew.

With stochasticity $\tau$ the reverse equation is solved by (Xue et al. 2023, arXiv 2309.05019, proposition 4.2)

$$x_s=\frac{\sigma_s}{\sigma_t}e^{-\tau^2h}x_t+\alpha_s\int_0^h(1+\tau^2)\,e^{-(1+\tau^2)(h-u)}\,\hat x(u)\,du
+\sigma_s\sqrt{1-e^{-2\tau^2h}}\,\xi.$$

$\tau=0$ is the probability flow; $\tau=1$, which everything here takes, is the time reversal of the process, and with one
guess held fixed it is DDPM.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.denoise.posterior import Bound
from ornstein.process.fields import Sample, Time, fieldwise
from ornstein.process.gaussian import Coefficients, coefficients
from ornstein.sample.history import log_step, recall, remember
from ornstein.sample.multistep import held_mean
from ornstein.sample.stepper import Memory, Paths, noise_ratio


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


def sde_dpmpp_2m(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""SDE-DPM-Solver++(2M): DDPM's step with the posterior mean of DPM-Solver++(2M).

    Lu et al. 2022, arXiv 2211.01095, equation 18.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    mean, size = denoise(x, t).mean, fieldwise(log_step, x, here, there)
    held = fieldwise(held_mean, mean, size, *recall(memory, 1))
    return fieldwise(_posterior_draw, x, held, noise(), here, there), remember(memory, mean, size, 1)
