r"""Polynomials through earlier guesses: what the multistep methods share.

A method of this kind holds one guess of the network (its posterior mean, or its noise) fixed over a step. The guess it
holds is the average, over the step, of the polynomial through the present guess and some earlier ones; methods differ
in the clock in which that is a polynomial, and in the weights of the average.

Newton's form adds one earlier guess at a time, so that one that is missing, which is remembered as infinitely long ago,
adds nothing: rows without a past need no special case, and rows may join or leave a batch at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from ornstein.process.fields import Sample, fieldwise, pad
from ornstein.process.gaussian import Coefficients
from ornstein.sample.stepper import Memory

Past: TypeAlias = Sequence[tuple[Float[Tensor, "*shape"], Float[Tensor, "*#shape"]]]
"""Earlier guesses, latest first, each with the length of the step that followed it."""


Size: TypeAlias = Shaped[Tensor, "rows ..."] | Mapping[str, Shaped[Tensor, "rows ..."]]
"""Lengths of steps that broadcast against a sample."""

Polynomial: TypeAlias = Sequence[Float[Tensor, "..."]]
"""Coefficients of u, u^2 and so on; there is no constant."""


def since(depth: int) -> Callable[[Sample], Memory]:
    """What makes the memory of rows without a past: `depth` guesses, each infinitely long ago."""

    def fresh(x: Sample) -> Memory:
        zeros, ages = fieldwise(torch.zeros_like, x), fieldwise(_endless, x)
        numbers = range(1, depth + 1)
        return {**{f"guess {k}": zeros for k in numbers}, **{f"step {k}": ages for k in numbers}}

    return fresh


def _endless(field: Float[Tensor, "rows *shape"]) -> Float[Tensor, "rows ..."]:
    return field.new_full((len(field), *(1,) * (field.ndim - 1)), torch.inf)


def remember(memory: Memory, guess: Sample, size: Size, depth: int) -> dict[str, Size]:
    """Memory after a step of length `size` that began with `guess`; the oldest of `depth` guesses is forgotten."""
    kept: dict[str, Size] = {"guess 1": guess, "step 1": size}
    for k in range(1, depth):
        kept |= {f"guess {k + 1}": memory[f"guess {k}"], f"step {k + 1}": memory[f"step {k}"]}
    return kept


def recall(memory: Memory, depth: int) -> list[Size]:
    """Guesses and steps in turn, latest first; ``past`` pairs them again within a field."""
    return [memory[f"{what} {k}"] for k in range(1, depth + 1) for what in ("guess", "step")]


def past(flat: Sequence[Float[Tensor, "*#shape"]]) -> Past:
    """Pairs of guess and step from what ``recall`` gave."""
    return list(zip(flat[::2], flat[1::2], strict=True))


def log_step(x: Float[Tensor, "*shape"], here: Coefficients, there: Coefficients) -> Float[Tensor, "*#shape"]:
    r"""The step's length in $\lambda=\log(\alpha/\sigma)$; infinite from pure noise and to clean data.

    A number for each row, or for each element where they are at different times, with the axes of the sample.
    """
    start, end = here.logsnr, there.logsnr
    return pad(((end - start) / 2).masked_fill(start == end, 0.0), x)


def differences(guess: Float[Tensor, "*shape"], earlier: Past) -> list[Float[Tensor, "*shape"]]:
    """Newton's divided differences of first, second … order; 0 where a guess they need is missing."""
    column, steps = [guess, *(value for value, _ in earlier)], [step for _, step in earlier]
    found: list[Tensor] = []
    for order in range(1, len(column)):
        spans = [sum(steps[k + 1 : k + order], steps[k]) for k in range(len(column) - 1)]
        column = [_by(a - b, span) for a, b, span in zip(column, column[1:], spans, strict=False)]
        found.append(column[0])
    return found


def _by(change: Float[Tensor, "*shape"], span: Float[Tensor, "*#shape"]) -> Float[Tensor, "*shape"]:
    """A slope; none over no time (an element at rest) or endless time (no past)."""
    return (change / span).masked_fill(span == 0, 0.0)


def products(earlier: Past) -> list[Polynomial]:
    r"""Newton's polynomials $u,\ u(u+d_1),\ u(u+d_1)(u+d_1+d_2)\dots$, one more than there are earlier guesses.

    A guess that is missing gives no factor.
    """
    found: list[Polynomial] = [[torch.ones((), dtype=torch.float32)]]
    age = nothing = torch.zeros((), dtype=torch.float32)
    for _, step in earlier:
        age = age + step
        missing = age.isinf()
        last = found[-1]
        grown = [age * a + b for a, b in zip([*last, 0.0], [0.0, *last], strict=True)]
        found.append([torch.where(missing, a, b) for a, b in zip([*last, nothing], grown, strict=True)])
    return found


def integrate(polynomial: Polynomial, moments: Sequence[Float[Tensor, "..."]]) -> Float[Tensor, "..."]:
    r"""Average of $u\,(c_0+c_1u+\dots)$ from the averages of $u, u^2,\dots$"""
    whole = polynomial[0] * moments[0]
    for factor, moment in zip(polynomial[1:], moments[1:], strict=False):
        whole = whole + factor * moment
    return whole


def average(
    guess: Float[Tensor, "*shape"], earlier: Past, moments: Sequence[Float[Tensor, "*#shape"]]
) -> Float[Tensor, "*shape"]:
    r"""Weighted average of the polynomial through the guesses.

    Args:
        guess: at clock $u=0$, the step's start.
        earlier: at negative clocks, of any number.
        moments: averages of $u, u^2, \dots$ over the step, at least as many as earlier guesses. Powers of $h$ instead
            give the polynomial's value at $u=h$.
    """
    whole = guess
    for slope, polynomial in zip(differences(guess, earlier), products(earlier), strict=False):
        whole = whole + slope * integrate(polynomial, moments)
    return whole


def held_mean(
    mean: Float[Tensor, "*shape"],
    size: Float[Tensor, "*#shape"],
    *flat: Float[Tensor, "*#shape"],
) -> Float[Tensor, "*shape"]:
    """The posterior mean to hold over a step of length `size`, from this one and what ``recall`` gave."""
    earlier = past(flat)
    return average(mean, earlier, mean_moments(size, len(earlier), line=fewer(earlier, 2)))


def fewer(earlier: Past, count: int) -> bool | Bool[Tensor, "..."]:
    """Where fewer than `count` earlier guesses are there."""
    return True if len(earlier) < count else earlier[count - 1][1].isinf()


def mean_moments(
    size: Float[Tensor, "..."], count: int, line: bool | Tensor = False, rate: float = 1.0
) -> list[Float[Tensor, "..."]]:
    r"""Averages of $u,u^2,\dots$ under the weight of the posterior mean, $e^{-k(h-u)}$; 0 where $h$ is infinite.

    Args:
        size: $h$.
        count: of moments.
        line: where the polynomial is a line. Its value in the middle of the step is taken for its average, as the
            papers do: of second order as well.
        rate: $k$, 1 for a deterministic step and more for a stochastic one.
    """
    moving, h = _finite(size)
    whole = last = -torch.expm1(-rate * h) / rate
    found: list[Tensor] = []
    for k in range(1, count + 1):
        last = (h**k - k * last) / rate
        found.append(last / whole)
    found[0] = torch.where(torch.as_tensor(line), h / 2, found[0])
    return [moment.masked_fill(~moving, 0.0) for moment in found]


def noise_moments(size: Float[Tensor, "*shape"], count: int) -> list[Float[Tensor, "*shape"]]:
    r"""Averages of $u,u^2,\dots$ under the weight of the noise, $e^{h-u}$; 0 where $h$ is infinite."""
    moving, h = _finite(size)
    whole = last = -torch.expm1(-h)
    found: list[Tensor] = []
    for k in range(1, count + 1):
        last = k * last - h**k * torch.exp(-h)
        found.append(last / whole)
    return [moment.masked_fill(~moving, 0.0) for moment in found]


def _finite(size: Float[Tensor, "*shape"]) -> tuple[Bool[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """Which steps move and end, and lengths with any number in place of the others'."""
    moving = (size > 0) & size.isfinite()
    return moving, size.masked_fill(~moving, 1.0)
