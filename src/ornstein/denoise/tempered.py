"""A denoiser of categories that is surer, or less sure, than it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ornstein.denoise.posterior import Denoiser, Posterior
from ornstein.process.fields import Sample, Time, fieldwise
from ornstein.process.masked import IMPOSSIBLE


@dataclass(frozen=True)
class Tempered:
    r"""$\hat p^{1/T}$ of each element, normalised; numbers as they are.

    The law of an element given what is seen is sharpened, not the joint law: T = 0 takes the likeliest category of each
    element, which is not the likeliest sample.

    Attributes:
        denoiser: what is tempered.
        temperature: T >= 0; 1 leaves all as it is.
    """

    denoiser: Denoiser
    temperature: float

    def __call__(self, x_t: Sample, t: Time, condition: Any) -> Posterior:
        posterior = self.denoiser(x_t, t, condition)
        if self.temperature == 1:
            return posterior
        return Posterior(fieldwise(_tempered, x_t, posterior.mean, self.temperature))


def _tempered(
    x: Shaped[Tensor, "rows *shape"], mean: Float[Tensor, "rows ..."], temperature: float
) -> Float[Tensor, "rows ..."]:
    if x.is_floating_point():
        return mean
    below = mean - mean.amax(-1, keepdim=True)
    if temperature == 0:
        return torch.where(below == 0, 0.0, IMPOSSIBLE)
    return (below / temperature).clamp(min=IMPOSSIBLE)
