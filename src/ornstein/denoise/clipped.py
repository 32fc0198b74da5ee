"""A denoiser whose guess stays where data can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from ornstein.denoise.posterior import Denoiser, Posterior
from ornstein.process.fields import Sample, Time, fieldwise


@dataclass(frozen=True)
class Clipped:
    """The posterior mean cut to a range, after whatever steers it (Ho et al. 2020, arXiv 2006.11239, as implemented).

    Attributes:
        denoiser: what is cut.
        limit: largest magnitude of an element.
    """

    denoiser: Denoiser
    limit: float

    def __call__(self, x_t: Sample, t: Time, condition: Any) -> Posterior:
        return Posterior(fieldwise(_cut, self.denoiser(x_t, t, condition).mean, self.limit))


def _cut(mean: Float[Tensor, "*shape"], limit: float) -> Float[Tensor, "*shape"]:
    return mean.clamp(-limit, limit)
