"""Autoguidance: away from a worse version of the same model, instead of away from no prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from ornstein.denoise.posterior import Denoiser, Posterior
from ornstein.process.fields import Sample, Time, fieldwise


@dataclass(frozen=True)
class AutoGuided:
    r"""$\hat x=\hat x_{\text{worse}}+w\,(\hat x-\hat x_{\text{worse}})$ (Karras et al. 2024, arXiv 2406.02507).

    What both are wrong about alike is enlarged; variety stays. The worse one is a smaller model or an earlier snapshot.

    Attributes:
        denoiser: the model.
        worse: answers the same conditions.
        scale: 1 is off, and the worse one is not asked then.
    """

    denoiser: Denoiser
    worse: Denoiser
    scale: float

    def __call__(self, x_t: Sample, t: Time, condition: Any) -> Posterior:
        good = self.denoiser(x_t, t, condition)
        if self.scale == 1:
            return good
        return Posterior(fieldwise(_beyond, good.mean, self.worse(x_t, t, condition).mean, self.scale))


def _beyond(
    good: Float[Tensor, "*shape"], worse: Float[Tensor, "*shape"], scale: float
) -> Float[Tensor, "*shape"]:
    return worse + scale * (good - worse)
