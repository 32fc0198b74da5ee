"""What a denoiser returns, and the two kinds of function that return it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from jaxtyping import Shaped
from torch import Tensor

from ornstein.process.fields import Sample, Time

Mean: TypeAlias = Shaped[Tensor, "_ ..."] | Mapping[str, Shaped[Tensor, "_ ..."]]
"""Shaped like the sample; of categories, which are told by logits, with an axis more."""


@dataclass(frozen=True, slots=True)
class Posterior:
    r"""What is believed about the clean sample given the noisy one.

    Attributes:
        mean: of numbers $E[x\mid x_t]$, shaped like them; of categories (rows, *elements, K) float32 logits of each
            element's clean value, where what is seen is certain (``masked.certain``). By field, where the sample is.
    """

    mean: Mean


@runtime_checkable
class Denoiser(Protocol):
    """``denoise(x_t, t, condition) -> Posterior``: the only thing samplers, guidance and losses see of a network."""

    def __call__(self, x_t: Sample, t: Time, condition: Any) -> Posterior: ...


@runtime_checkable
class Bound(Protocol):
    """A denoiser with its condition already given: what a stepper calls."""

    def __call__(self, x_t: Sample, t: Time, /) -> Posterior: ...
