"""What a stepper is, and the few numbers every stepper is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from jaxtyping import Float, Shaped
from torch import Tensor

from ornstein.denoise.posterior import Bound
from ornstein.process.fields import Sample, Time
from ornstein.process.gaussian import Coefficients, Path, Paths
from ornstein.process.times import TimeGrid

Memory: TypeAlias = Mapping[str, Shaped[Tensor, "rows ..."] | Mapping[str, Shaped[Tensor, "rows ..."]]]
"""What a multistep method remembers: a value with one entry a row, so rows may come and go."""


@runtime_checkable
class Step(Protocol):
    """``step(denoise, path, x, t, s, memory, noise) -> (x at s, memory)``; pure, for rows or elements at any times.

    Where ``t == s`` nothing moves. `noise()` draws what ``noise.row_noise`` does for `x`, anew at each call; only
    stochastic methods call it.
    """

    def __call__(
        self,
        denoise: Bound,
        path: Paths,
        x: Sample,
        t: Time,
        s: Time,
        memory: Memory,
        noise: Callable[[], Sample],
    ) -> tuple[Sample, Memory]: ...


def no_memory(x: Sample) -> Memory:
    """The memory of a one-step method."""
    return {}


def grid_times(grid: TimeGrid, steps: int, path: Path) -> Float[Tensor, " times"]:
    """The grid's own times."""
    return grid.times(steps, path)


def as_given(
    times: Float[Tensor, "times *elements"], path: Path, seed: int
) -> Float[Tensor, "times *elements"]:
    """The times themselves."""
    return times


@dataclass(frozen=True, slots=True)
class Method:
    """A stepper and what is known of it.

    Attributes:
        step: the pure function.
        order: of convergence; weak order for a stochastic method.
        evaluations: of the network a step, at most.
        stochastic: whether it draws noise after the start.
        summary: one line for the user.
        fresh: memory of rows that have no past yet, as neutral values.
        times: that it visits, of a grid and a number of steps.
        arrange: from falling times of each element of a row (times, *elements), to those that it visits, of a path and
            the row's seed; most methods visit what they are given.
    """

    step: Step
    order: int
    evaluations: int
    stochastic: bool
    summary: str
    fresh: Callable[[Sample], Memory] = no_memory
    times: Callable[[TimeGrid, int, Path], Float[Tensor, " times"]] = grid_times
    arrange: Callable[[Float[Tensor, "times *elements"], Path, int], Float[Tensor, "visited *elements"]] = (
        as_given
    )


def noise_ratio(here: Coefficients, there: Coefficients) -> Float[Tensor, "..."]:
    r"""$\sigma_s/\sigma_t$, and 1 where both are clean (an element that is given does not move)."""
    return (there.sigma / here.sigma).masked_fill(here.sigma == 0, 1.0)


def denoising_step(
    x: Float[Tensor, "*shape"], mean: Float[Tensor, "*shape"], here: Coefficients, there: Coefficients
) -> Float[Tensor, "*shape"]:
    r"""Move from $t$ to $s$ with the posterior mean held fixed: $x_s=\alpha_s\hat x+\sigma_s\hat\varepsilon$.

    This is DDIM (Song et al. 2020, arXiv 2010.02502, eq. 12 with no added noise), the Euler step of the
    probability-flow equation in $x/\sigma$ against $\alpha/\sigma$, and for the rectified path its plain Euler step.
    """
    here, there = here.like(x), there.like(x)
    ratio = noise_ratio(here, there)
    return ratio * x + (there.alpha - ratio * here.alpha) * mean
