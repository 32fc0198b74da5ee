"""Classifier-free guidance within an interval, conditional and unconditional rows in one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ornstein.denoise.posterior import Denoiser, Posterior
from ornstein.guide.rules import Rule, straight
from ornstein.process.fields import Sample, Time, fieldwise, first_tensor, select_rows


@runtime_checkable
class Condition(Protocol):
    """Rows of a condition that can be picked and stacked."""

    def select(self, rows: Int[Tensor, " chosen"]) -> Condition: ...
    def join(self, other: Any) -> Condition: ...


@dataclass(frozen=True)
class Guided:
    """What guidance is told of each row.

    Attributes:
        positive: the wanted condition, rows first.
        negative: what to move away from: the null condition, or a negative prompt.
        scale: (B,) guidance scales; 1 is off.
    """

    positive: Condition
    negative: Condition
    scale: Float[Tensor, " rows"]

    def select(self, rows: Int[Tensor, " chosen"]) -> Guided:
        """Pick rows, as ``select_rows`` asks."""
        return Guided(self.positive.select(rows), self.negative.select(rows), self.scale[rows])


@dataclass(frozen=True)
class ClassifierFree:
    r"""$\hat x = \hat x_- + w(\hat x_+ - \hat x_-)$ for rows whose time lies in the interval (Ho & Salimans 2022,
    arXiv 2207.12598; the interval: Kynkaanniemi et al. 2024, arXiv 2404.07724).

    Rows outside the interval, and rows at scale 1, are evaluated once; the others get a twin in the same batch.
    Combining posteriors is the same as combining eps, v or flow: all are affine in the mean at a given $x_t$.

    Attributes:
        denoiser: evaluates conditions.
        interval: times (low, high) within which guidance acts, ends included.
        rule: what becomes of both guesses, field by field.
    """

    denoiser: Denoiser
    interval: tuple[float, float] = (0.0, 1.0)
    rule: Rule = straight

    def __call__(self, x_t: Sample, t: Time, condition: Any) -> Posterior:
        """`condition` is a ``Guided``; returns the guided posterior of each row."""
        assert isinstance(condition, Guided)
        rows = first_tensor(x_t).shape[0]
        inside = _row_time(t)
        low, high = self.interval
        acts = (inside >= low) & (inside <= high) & (condition.scale.to(inside.device) != 1)
        twins = acts.nonzero()[:, 0].cpu()
        if len(twins) == 0:
            return self.denoiser(x_t, t, condition.positive)
        both = torch.cat([torch.arange(rows), twins])
        asked = condition.positive.join(condition.negative.select(twins))
        x, times = select_rows(x_t, both), select_rows(t, both)
        mean = self.denoiser(x, times, asked).mean
        return Posterior(fieldwise(_follow, mean, x, times, self.rule, twins, condition.scale[twins]))


def _row_time(t: Time) -> Float[Tensor, " rows"]:
    """The noisiest time of each row, over its elements and fields."""
    each = [t] if isinstance(t, Tensor) else list(t.values())
    return torch.stack([time.reshape(len(time), -1).amax(1) for time in each]).amax(0)


def _follow(
    mean: Float[Tensor, "both *shape"],
    x: Float[Tensor, "both *shape"],
    t: Float[Tensor, "both ..."],
    rule: Rule,
    twins: Int[Tensor, " twins"],
    scale: Float[Tensor, " twins"],
) -> Float[Tensor, "rows *shape"]:
    """The guesses of all rows, guided where a row has a twin; twins stand behind the rows."""
    rows = len(mean) - len(twins)
    positive, negative, index = mean[:rows], mean[rows:], twins.to(mean.device)
    guided = rule(positive[index], negative, scale.to(mean), x[rows:], t[rows:])
    return positive.index_copy(0, index, guided)
