r"""The corrector: what is known at the end of a step mends the step.

A step held the average of a polynomial through a guess and earlier ones. The evaluation at its end adds a point to
that polynomial, and with it a better average (Zhao et al. 2023, arXiv 2302.04867, section 3.1). The sample moves in
proportion to the new guess; so its weight, and a shift by what was known before, are all that a step must leave behind,
and the correction costs no evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.process.fields import Sample, fieldwise
from ornstein.sample.history import Size, average, fewer, integrate, mean_moments, past, products, since
from ornstein.sample.stepper import Memory


def mending(depth: int) -> Callable[[Sample], Memory]:
    """As ``history.since``, for methods that also correct: at first there is nothing to."""

    def fresh(x: Sample) -> Memory:
        zeros = fieldwise(torch.zeros_like, x)
        return {**since(depth)(x), "weight": zeros, "shift": zeros}

    return fresh


def corrected(x: Sample, mean: Sample, memory: Memory) -> Sample:
    """The sample a step led to, mended by the posterior mean that is found there."""
    return fieldwise(_mend, x, mean, memory["weight"], memory["shift"])


def _mend(
    x: Float[Tensor, "*shape"],
    mean: Float[Tensor, "*shape"],
    weight: Float[Tensor, "*shape"],
    shift: Float[Tensor, "*shape"],
) -> Float[Tensor, "*shape"]:
    return x + weight * mean + shift


def correction_to_come(
    gain: Sample, mean: Sample, held: Sample, size: Size, flat: Sequence[Size], rate: float = 1.0
) -> dict[str, Sample]:
    """Memory of what ``corrected`` will need after this step.

    Args:
        gain: weight of the held mean in the step.
        mean: the step's own guess.
        held: what was held instead.
        size: the step's length, as ``log_step`` gives it.
        flat: earlier guesses, as ``recall`` gives them.
        rate: see ``mean_moments``.
    """
    weight = fieldwise(_weight, gain, size, rate, *flat)
    return {"weight": weight, "shift": fieldwise(_shift, gain, weight, mean, held, size, rate, *flat)}


def _weight(
    gain: Float[Tensor, "*shape"],
    size: Float[Tensor, "*#shape"],
    rate: float,
    *flat: Float[Tensor, "*#shape"],
) -> Float[Tensor, "*shape"]:
    """By how much the sample moves with the new guess: the new polynomial is 1 there and 0 at every other guess."""
    earlier = past(flat)
    polynomial, count = products(earlier)[-1], len(earlier) + 1
    ahead = integrate(polynomial, _powers(size, count))
    whole = integrate(polynomial, mean_moments(size, count, fewer(earlier, 1), rate))
    return gain * torch.where(ahead == 0, 0.0, whole / ahead)


def _shift(
    gain: Float[Tensor, "*shape"],
    weight: Float[Tensor, "*shape"],
    mean: Float[Tensor, "*shape"],
    held: Float[Tensor, "*shape"],
    size: Float[Tensor, "*#shape"],
    rate: float,
    *flat: Float[Tensor, "*#shape"],
) -> Float[Tensor, "*shape"]:
    """What the guesses known by now contribute: the average of their polynomial, and what it foretold."""
    earlier = past(flat)
    whole = average(mean, earlier, mean_moments(size, len(earlier), fewer(earlier, 1), rate))
    foretold = average(mean, earlier, _powers(size, len(earlier)))
    return gain * (whole - held) - weight * foretold


def _powers(size: Float[Tensor, "..."], count: int) -> list[Float[Tensor, "..."]]:
    h = torch.where(size.isfinite(), size, 0.0)
    return [h**k for k in range(1, count + 1)]
