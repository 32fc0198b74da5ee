r"""Rules of guidance: what becomes of the guess with the prompt, the guess without, and a scale.

Classifier-free guidance goes straight on, from the one through the other. At high scales that oversaturates; each of
the other rules takes something of it back. All of them leave scale 1 as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

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
        x: Float[Tensor, "rows *shape"],
        t: Float[Tensor, "rows ..."],
    ) -> Float[Tensor, "rows *shape"]: ...


def straight(
    positive: Float[Tensor, "rows *shape"],
    negative: Float[Tensor, "rows *shape"],
    scale: Float[Tensor, " rows"],
    x: Float[Tensor, "rows *shape"],
    t: Float[Tensor, "rows ..."],
) -> Float[Tensor, "rows *shape"]:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598)."""
    return negative + pad(scale, negative) * (positive - negative)


@dataclass(frozen=True)
class Rescaled:
    r"""Straight, then brought back toward the deviation of the guess with the prompt.

    Lin et al. 2023, arXiv 2305.08891, section 3.4, there of the network's output.

    Attributes:
        share: of the way back, from 0 (not at all) to 1.
    """

    share: float = 0.7

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


@dataclass(frozen=True)
class Projected:
    r"""Adaptive projected guidance (Sadat et al. 2024, arXiv 2410.02416, algorithm 1), without its momentum.

    Of the difference that is followed, what only enlarges the guess itself is weighed down; that is what saturates.

    Attributes:
        along: weight of the part along the guess.
        longest: root mean square of the difference beyond which it is shortened.
    """

    along: float = 0.0
    longest: float = torch.inf

    def __call__(
        self,
        positive: Float[Tensor, "rows *shape"],
        negative: Float[Tensor, "rows *shape"],
        scale: Float[Tensor, " rows"],
        x: Float[Tensor, "rows *shape"],
        t: Float[Tensor, "rows ..."],
    ) -> Float[Tensor, "rows *shape"]:
        change = positive - negative
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


def _inner(a: Float[Tensor, "rows *shape"], b: Float[Tensor, "rows *shape"]) -> Float[Tensor, " rows"]:
    return (a * b).flatten(1).sum(1)


def _deviation(x: Float[Tensor, "rows *shape"]) -> Float[Tensor, " rows"]:
    return x.flatten(1).std(1).clamp(min=1e-12)
