"""Steppers that remember earlier evaluations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.denoise.posterior import Bound
from ornstein.process.fields import Sample, Time, fieldwise, pad
from ornstein.process.gaussian import Coefficients, coefficients
from ornstein.sample.stepper import Memory, Paths, denoising_step


def fresh_2m(x: Sample) -> Memory:
    """Memory of rows without a past: an infinitely long earlier step makes the next one first order."""
    return {
        "mean": fieldwise(torch.zeros_like, x),
        "step": fieldwise(_endless, x),
    }


def _endless(field: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    return torch.full_like(field, torch.inf)


def dpmpp_2m(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""DPM-Solver++(2M): second order, deterministic, one evaluation (Lu et al. 2022, arXiv 2211.01095, alg. 2).

    The posterior mean is extrapolated to the middle of the step in $\lambda=\log(\alpha/\sigma)$,
    $\hat x+\tfrac{h}{2h_{-1}}(\hat x-\hat x_{-1})$. A step to clean data has infinite $h$ and stays first order.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    mean = denoise(x, t).mean
    size = fieldwise(_log_step, x, here, there)
    middle = fieldwise(_extrapolate, mean, memory["mean"], size, memory["step"])
    return fieldwise(denoising_step, x, middle, here, there), {"mean": mean, "step": size}


def _log_step(x: Float[Tensor, "*shape"], here: Coefficients, there: Coefficients) -> Float[Tensor, "*shape"]:
    """The step's length in log(alpha/sigma), given in full shape so that memory has the sample's rows and fields."""
    size = torch.where(here.logsnr == there.logsnr, 0.0, (there.logsnr - here.logsnr) / 2)
    return pad(size, x).expand_as(x)


def _extrapolate(
    mean: Float[Tensor, "*shape"],
    earlier: Float[Tensor, "*shape"],
    size: Float[Tensor, "*shape"],
    earlier_size: Float[Tensor, "*shape"],
) -> Float[Tensor, "*shape"]:
    weight = torch.where(size.isinf() | (earlier_size == 0), 0.0, size / (2 * earlier_size))
    return mean + weight * (mean - earlier)
