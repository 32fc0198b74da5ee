r"""Steppers that add noise on the way: some of what a step leaves of the old noise is drawn anew.

Given the posterior mean, any share of the old noise may be kept and the rest replaced without changing the law of $x_s$
(Song et al. 2020, arXiv 2010.02502, section 4.1):

$$x_s=k\,x_t+(\alpha_s-k\,\alpha_t)\,\hat x+\sqrt{\sigma_s^2-k^2\sigma_t^2}\;\xi,\qquad 0\le k\le\sigma_s/\sigma_t.$$

At its largest $k$ that is DDIM. The reverse process itself has $k=e^{-h}\sigma_s/\sigma_t$, where $h$ is the step's
length in $\lambda=\log(\alpha/\sigma)$: DDPM. Better steppers hold a better mean, or choose another $k$.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ornstein.denoise.posterior import Bound
from ornstein.process.fields import Sample, Time, fieldwise, pad
from ornstein.process.gaussian import Coefficients, coefficients
from ornstein.sample.corrector import corrected, correction_to_come
from ornstein.sample.history import average, held_mean, log_step, past, recall, remember
from ornstein.sample.stepper import Memory, Paths, noise_ratio
from ornstein.sample.steppers import between, heun

RATE = 2.0  # how fast the weight of earlier posterior means fades over a step of the reverse process
CHURN = 0.5  # of the way ahead that ``churned_heun`` first goes back, in log(alpha / sigma)


def ancestral(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""DDPM: draw from $q(x_s\mid x_t,\hat x)$; weak order one, one evaluation.

    Ho et al. 2020, arXiv 2006.11239, eq. 6-7, with the posterior variance, for any pair of times.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    return fieldwise(_reversal, x, denoise(x, t).mean, noise(), here, there), memory


def sde_dpmpp_2m(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    """SDE-DPM-Solver++(2M): DDPM's step with the posterior mean that DPM-Solver++(2M) holds.

    Lu et al. 2022, arXiv 2211.01095, equation 18.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    mean, size = denoise(x, t).mean, fieldwise(log_step, x, here, there)
    held = fieldwise(held_mean, mean, size, *recall(memory, 1))
    return fieldwise(_reversal, x, held, noise(), here, there), remember(memory, mean, size, 1)


def sa_solver(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    """SA-Solver with two guesses and a corrector (Xue et al. 2023, arXiv 2309.05019, algorithm 1), tau = 1.

    SDE-DPM-Solver++(2M) with each step mended as in UniPC: the same polynomials, averaged under the weight that noise
    leaves them.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    mean, size = denoise(x, t).mean, fieldwise(log_step, x, here, there)
    x, flat = corrected(x, mean, memory), recall(memory, 1)
    held = fieldwise(held_mean, mean, size, *flat)
    correction = correction_to_come(fieldwise(_gain, x, here, there), mean, held, size, flat, RATE)
    moved = fieldwise(_reversal, x, held, noise(), here, there)
    return moved, {**remember(memory, mean, size, 1), **correction}


def _reversal(
    x: Float[Tensor, "*shape"],
    mean: Float[Tensor, "*shape"],
    noise: Float[Tensor, "*shape"],
    here: Coefficients,
    there: Coefficients,
) -> Float[Tensor, "*shape"]:
    return _draw(x, mean, noise, _kept(here, there), here, there)


def _gain(x: Float[Tensor, "*shape"], here: Coefficients, there: Coefficients) -> Float[Tensor, "*shape"]:
    """Weight of the posterior mean in the reversal's step."""
    return pad(there.alpha - _kept(here, there) * here.alpha, x).expand_as(x)


def _kept(here: Coefficients, there: Coefficients) -> Float[Tensor, "..."]:
    """What the reverse process keeps of $x_t$: 1 for a row at rest, be it at pure noise."""
    step = torch.where(here.alpha == there.alpha, 1.0, here.alpha / there.alpha)
    return step * noise_ratio(here, there) ** 2


def _draw(
    x: Float[Tensor, "*shape"],
    mean: Float[Tensor, "*shape"],
    noise: Float[Tensor, "*shape"],
    kept: Float[Tensor, "..."],
    here: Coefficients,
    there: Coefficients,
) -> Float[Tensor, "*shape"]:
    here, there, kept = here.like(x), there.like(x), pad(kept, x)
    added = (there.sigma**2 - (kept * here.sigma) ** 2).clamp(min=0).sqrt()
    return kept * x + (there.alpha - kept * here.alpha) * mean + added * noise


def er_sde(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""ER-SDE-Solver-3 (Cui et al. 2023, arXiv 2309.06169): much noise early, little late.

    With $\rho=\sigma/\alpha$ and $\varphi(\rho)=\rho\,(e^{\rho^{0.3}}+10)$, one of the paper's choices, a step keeps
    $k=\alpha_s\varphi(\rho_s)/\alpha_t\varphi(\rho_t)$, and averages the parabola through three posterior means, in
    $\rho$, under the weight $d(1/\varphi)$.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    mean, size = denoise(x, t).mean, fieldwise(_ratio_step, x, here, there)
    held = fieldwise(_held_in_ratio, mean, here, there, *recall(memory, 2))
    moved = fieldwise(_extended, x, held, noise(), here, there)
    return moved, remember(memory, mean, size, 2)


def _extended(
    x: Float[Tensor, "*shape"],
    mean: Float[Tensor, "*shape"],
    noise: Float[Tensor, "*shape"],
    here: Coefficients,
    there: Coefficients,
) -> Float[Tensor, "*shape"]:
    faded = _phi(_ratio(there)) / _phi(_ratio(here))
    kept = torch.where(here.alpha == 0, 0.0, there.alpha / here.alpha * faded)
    return _draw(x, mean, noise, torch.where(_rests(here, there), 1.0, kept), here, there)


def _held_in_ratio(
    mean: Float[Tensor, "*shape"], here: Coefficients, there: Coefficients, *flat: Float[Tensor, "*#shape"]
) -> Float[Tensor, "*shape"]:
    earlier, high, low = past(flat), _ratio(here), _ratio(there)
    whole = (high > low) & high.isfinite() & (low > 0)
    high, low = torch.where(whole, high, 2.0), torch.where(whole, low, 1.0)
    moments: list[Tensor] = []
    for k in range(1, len(earlier) + 1):
        rest = k * _phi(low) * _integral(partial(_weighted, high=high, power=k - 1), low, high)
        moment = ((high - low) ** k - rest) / (1 - _phi(low) / _phi(high))
        moments.append(pad(torch.where(whole, moment, 0.0), mean).to(mean.dtype).expand_as(mean))
    return average(mean, earlier, moments)


def _weighted(ratio: Float[Tensor, "..."], high: Float[Tensor, "..."], power: int) -> Float[Tensor, "..."]:
    return (high - ratio) ** power / _phi(ratio)


def _integral(
    function: Callable[[Float[Tensor, "..."]], Float[Tensor, "..."]],
    low: Float[Tensor, "*time"],
    high: Float[Tensor, "*time"],
) -> Float[Tensor, "*time"]:
    """Integral between two ratios, by Gauss and Legendre in their logarithm, where the function is smooth."""
    half, middle = (high / low).log() / 2, (high * low).log() / 2
    whole = torch.zeros_like(low)
    for node, weight in zip(*_gauss_legendre(), strict=True):
        ratio = (middle + half * node).exp()
        whole = whole + weight * half * ratio * function(ratio)
    return whole


@cache
def _gauss_legendre() -> tuple[list[float], list[float]]:
    nodes, weights = np.polynomial.legendre.leggauss(16)
    return nodes.tolist(), weights.tolist()


def _phi(ratio: Float[Tensor, "*time"]) -> Float[Tensor, "*time"]:
    return ratio * ((ratio**0.3).exp() + 10)


def _ratio(c: Coefficients) -> Float[Tensor, "..."]:
    """Noise by data, as float64; infinite in pure noise."""
    return c.sigma.double() / c.alpha.double()


def _ratio_step(
    x: Float[Tensor, "*shape"], here: Coefficients, there: Coefficients
) -> Float[Tensor, "*shape"]:
    size = torch.where(_rests(here, there), 0.0, _ratio(here) - _ratio(there))
    return pad(size.to(x.dtype), x).expand_as(x)


def _rests(here: Coefficients, there: Coefficients) -> Bool[Tensor, "..."]:
    return (here.alpha == there.alpha) & (here.sigma == there.sigma)


def churned_heun(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""Heun's step from a noisier sample: noise is added first (Karras et al. 2022, arXiv 2206.00364, algorithm 2).

    The paper raises $\sigma$ by a factor that it divides by the number of steps; here it is a share of the step's own
    length in $\lambda$, which needs no number of steps and comes to the same.
    """
    noisier = between(path, t, s, -CHURN)
    here, there = coefficients(path, t), coefficients(path, noisier)
    return heun(denoise, path, fieldwise(noised, x, noise(), here, there), noisier, s, memory, noise)


def noised(
    x: Float[Tensor, "*shape"], noise: Float[Tensor, "*shape"], here: Coefficients, there: Coefficients
) -> Float[Tensor, "*shape"]:
    """Forward in the process, from one time to a noisier one; the same sample where both are one."""
    here, there = here.like(x), there.like(x)
    kept = torch.where(here.alpha == there.alpha, 1.0, there.alpha / here.alpha)
    added = (there.sigma**2 - (kept * here.sigma) ** 2).clamp(min=0).sqrt()
    return kept * x + added * noise
