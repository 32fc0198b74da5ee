r"""Rules of guidance: what becomes of the guess with the prompt, the guess without, and a scale.

Classifier-free guidance goes straight on, from the one through the other. At high scales that oversaturates; each of
the other rules takes something of it back. All of them leave scale 1 as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, runtime_checkable

from jaxtyping import Float, Shaped
from pydantic import BeforeValidator, Field
from torch import Tensor

from ornstein.config import Config, from_text
from ornstein.process.fields import pad
from ornstein.process.gaussian import Path


@runtime_checkable
class Rule(Protocol):
    """``rule(positive, negative, scale, x, t)``: posterior means of rows to the one that is followed.

    Args:
        positive: given the prompt.
        negative: given nothing, or a negative prompt.
        scale: (rows,), 1 is off.
        x: the noisy samples they belong to.
        t: their times.
    """

    def __call__(
        self,
        positive: Float[Tensor, "rows *shape"],
        negative: Float[Tensor, "rows *shape"],
        scale: Float[Tensor, " rows"],
        x: Shaped[Tensor, "rows ..."],
        t: Float[Tensor, "rows ..."],
    ) -> Float[Tensor, "rows *shape"]: ...


class Straight(Config):
    """Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598)."""

    kind: Literal["straight"] = "straight"

    def __call__(
        self,
        positive: Float[Tensor, "rows *shape"],
        negative: Float[Tensor, "rows *shape"],
        scale: Float[Tensor, " rows"],
        x: Shaped[Tensor, "rows ..."],
        t: Float[Tensor, "rows ..."],
    ) -> Float[Tensor, "rows *shape"]:
        return negative + pad(scale, negative) * (positive - negative)


straight = Straight()


class Rescaled(Config):
    r"""Straight, then brought back toward the deviation of the guess with the prompt.

    Lin et al. 2023, arXiv 2305.08891, section 3.4, there of the network's output.

    Attributes:
        share: of the way back, from 0 (not at all) to 1.
    """

    kind: Literal["rescaled"] = "rescaled"
    share: float = Field(default=0.7, ge=0, le=1)

    def __call__(
        self,
        positive: Float[Tensor, "rows *shape"],
        negative: Float[Tensor, "rows *shape"],
        scale: Float[Tensor, " rows"],
        x: Float[Tensor, "rows *shape"],
        t: Float[Tensor, "rows ..."],
    ) -> Float[Tensor, "rows *shape"]:
        far = straight(positive, negative, scale, x, t)
        factor = _deviation(positive) / _deviation(far)
        return far * pad(1 + self.share * (factor - 1), far)


class Projected(Config):
    r"""Adaptive projected guidance (Sadat et al. 2024, arXiv 2410.02416, algorithm 1), without its momentum.

    Of the difference that is followed, what only enlarges the guess itself is weighed down; that is what saturates.

    Attributes:
        along: weight of the part along the guess.
        longest: root mean square of the difference beyond which it is shortened; None never.
    """

    kind: Literal["projected"] = "projected"
    along: float = Field(default=0.0, ge=0, le=1)
    longest: float | None = Field(default=None, gt=0)

    def __call__(
        self,
        positive: Float[Tensor, "rows *shape"],
        negative: Float[Tensor, "rows *shape"],
        scale: Float[Tensor, " rows"],
        x: Float[Tensor, "rows *shape"],
        t: Float[Tensor, "rows ..."],
    ) -> Float[Tensor, "rows *shape"]:
        change = positive - negative
        if self.longest is not None:
            size = change.flatten(1).square().mean(1).sqrt()
            change = change * pad((self.longest / size).clamp(max=1), change)
        share = _inner(change, positive) / _inner(positive, positive).clamp(min=1e-12)
        parallel = pad(share, positive) * positive
        return positive + pad(scale - 1, positive) * (change - parallel + self.along * parallel)


@dataclass(frozen=True)
class CfgZero:
    r"""CFG-Zero* (Fan et al. 2025, arXiv 2503.18886, section 3.1): the guess without is first scaled to fit.

    In the frame of the flow, whose velocity is noise minus data, the velocity without the prompt is scaled by
    $s=\langle u_+,u_-\rangle/\lVert u_-\rVert^2$, its best multiple, before guidance goes on from it.

    Attributes:
        path: that the samples follow.
    """

    path: Path

    def __call__(
        self,
        positive: Float[Tensor, "rows *shape"],
        negative: Float[Tensor, "rows *shape"],
        scale: Float[Tensor, " rows"],
        x: Float[Tensor, "rows *shape"],
        t: Float[Tensor, "rows ..."],
    ) -> Float[Tensor, "rows *shape"]:
        c = self.path(t).like(x)
        whole = c.alpha + c.sigma
        plus, minus = (x - whole * positive, x - whole * negative)  # velocities, times sigma
        fit = pad(_inner(plus, minus) / _inner(minus, minus).clamp(min=1e-12), minus)
        return (x - (fit * minus + pad(scale, minus) * (plus - fit * minus))) / whole


class ZeroStar(Config):
    """``CfgZero`` on whatever path the samples follow."""

    kind: Literal["zero-star"] = "zero-star"


RuleSetting = Annotated[
    Annotated[Straight | Rescaled | Projected | ZeroStar, Field(discriminator="kind")],
    BeforeValidator(from_text),
]
"""A rule by its values, or as text: ``rescaled``, ``projected:along=0.2,longest=0.5``."""


def on_path(setting: RuleSetting, path: Path) -> Rule:
    """The rule of a setting, for samples of `path`."""
    return CfgZero(path) if isinstance(setting, ZeroStar) else setting


def _inner(a: Float[Tensor, "rows *shape"], b: Float[Tensor, "rows *shape"]) -> Float[Tensor, " rows"]:
    return (a * b).flatten(1).sum(1)


def _deviation(x: Float[Tensor, "rows *shape"]) -> Float[Tensor, " rows"]:
    return x.flatten(1).std(1).clamp(min=1e-12)
