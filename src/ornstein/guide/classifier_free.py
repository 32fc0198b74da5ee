"""Classifier-free guidance within an interval, of one prompt or of several, all in one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from ornstein.denoise.posterior import Denoiser, Posterior
from ornstein.guide.rules import Rule, straight
from ornstein.guide.schedules import Schedule, constant
from ornstein.guide.several import Condition, Several
from ornstein.process.fields import Sample, Time, fieldwise, first_tensor, pad, select_rows


@dataclass(frozen=True)
class Guided:
    """What guidance is told of each row.

    Attributes:
        positive: the wanted condition, rows first, or several for each row.
        negative: what to move away from: the null condition, or a negative prompt.
        scale: (B,) guidance scales; 1 is off.
    """

    positive: Condition | Several
    negative: Condition
    scale: Float[Tensor, " rows"]

    def select(self, rows: Int[Tensor, " chosen"]) -> Guided:
        """Pick rows, as ``select_rows`` asks."""
        return Guided(self.positive.select(rows), self.negative.select(rows), self.scale[rows])

    def wanted(self, time: Float[Tensor, " rows"]) -> tuple[Condition, Float[Tensor, "rows parts"]]:
        """The conditions of all parts of all rows, row by row, and the weight of each part."""
        if isinstance(self.positive, Several):
            return self.positive.at(time), self.positive.weight
        return self.positive, torch.ones_like(self.scale)[:, None]


@dataclass(frozen=True)
class ClassifierFree:
    r"""$\hat x = \hat x_- + w(\hat x_+ - \hat x_-)$ for rows whose time lies in the interval (Ho & Salimans 2022,
    arXiv 2207.12598; the interval: Kynkaanniemi et al. 2024, arXiv 2404.07724).

    Of a row with several conditions, $\hat x_+=\hat x_-+\sum_k v_k(\hat x_k-\hat x_-)$, the mean of the law
    $p_-\prod_k(p_k/p_-)^{v_k}$ as far as scores of laws add up under noise (Liu et al. 2022, arXiv 2206.01714, eq. 11):
    positive weights ask for all of them at once, negative ones lead away.

    Rows outside the interval, and rows at scale 1, are evaluated once for each condition; the others, and rows whose
    conditions have to be weighed, once more, in the same batch. Combining posteriors is the same as combining eps, v or
    flow: all are affine in the mean at a given $x_t$. Of categories it is logits that are combined, so laws are
    multiplied: $\hat p\propto\hat p_-^{1-w}\hat p_+^{\,w}$; only the straight rule is meant for them.

    Attributes:
        denoiser: evaluates conditions.
        interval: times (low, high) within which guidance acts, ends included.
        rule: what becomes of both guesses, field by field.
        schedule: how much of the scale counts at each time.
    """

    denoiser: Denoiser
    interval: tuple[float, float] = (0.0, 1.0)
    rule: Rule = straight
    schedule: Schedule = constant

    def __call__(self, x_t: Sample, t: Time, condition: Any) -> Posterior:
        """`condition` is a ``Guided``; returns the guided posterior of each row."""
        assert isinstance(condition, Guided)
        time = _row_time(t)
        wanted, weight = condition.wanted(time)
        scale, acts = self._scale(time, condition.scale.to(time))
        weighed = (weight != 1).any(1) | (weight.shape[1] > 1)
        twins = (acts | weighed.to(acts.device)).nonzero()[:, 0].cpu()
        if len(twins) == 0:
            return self.denoiser(x_t, t, wanted)
        owners = torch.arange(first_tensor(x_t).shape[0]).repeat_interleave(weight.shape[1])
        asked = torch.cat([owners, twins])
        x, times = select_rows(x_t, asked), select_rows(t, asked)
        mean = self.denoiser(x, times, wanted.join(condition.negative.select(twins))).mean
        return Posterior(fieldwise(_follow, mean, x, times, self.rule, weight, twins, scale[twins]))

    def _scale(
        self, time: Float[Tensor, " rows"], scale: Float[Tensor, " rows"]
    ) -> tuple[Float[Tensor, " rows"], Bool[Tensor, " rows"]]:
        """The scale of each row at its time, and whether it counts: a scale that is on does not decide when."""
        low, high = self.interval
        share = torch.where((time >= low) & (time <= high), self.schedule.share(time), 0)
        return torch.lerp(torch.ones_like(scale), scale, share), (share != 0) & (scale != 1)


def _row_time(t: Time) -> Float[Tensor, " rows"]:
    """The noisiest time of each row, over its elements and fields."""
    each = [t] if isinstance(t, Tensor) else list(t.values())
    return torch.stack([time.reshape(len(time), -1).amax(1) for time in each]).amax(0)


def _follow(
    mean: Float[Tensor, "asked *shape"],
    x: Shaped[Tensor, "asked ..."],
    t: Float[Tensor, "asked ..."],
    rule: Rule,
    weight: Float[Tensor, "rows parts"],
    twins: Int[Tensor, " twins"],
    scale: Float[Tensor, " twins"],
) -> Float[Tensor, "rows *shape"]:
    """The guesses of all rows, guided where a row has a twin; twins stand behind all parts of all rows."""
    first = len(mean) - len(twins)
    guesses, negative = mean[:first].reshape(*weight.shape, *mean.shape[1:]), mean[first:]
    index = twins.to(mean.device)
    parts, count = guesses[index], weight.to(mean)[index]
    rest = 1 - count.sum(1)  # 0 for one part of weight 1, which so is itself to the bit
    positive = pad(rest, negative) * negative + (pad(count, parts) * parts).sum(1)
    guided = rule(positive, negative, scale.to(mean), x[first:], t[first:])
    return guesses[:, 0].index_copy(0, index, guided)
