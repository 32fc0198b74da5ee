r"""Restart sampling: some way back into noise, and down again (Xu et al. 2023, arXiv 2306.14878, algorithm 1).

A deterministic sampler keeps the errors of its first steps; one that adds noise at every step forgets them, at the
price of large errors of its own. Restart adds much noise at once, from a low noise level back to a higher one, and
follows the probability flow down over the same levels again: the noise shrinks what was wrong before, the small steps
in between make little new. Here the grid itself goes back, and where it rises the sample is noised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.denoise.posterior import Bound
from ornstein.process.fields import Sample, Time, fieldwise
from ornstein.process.gaussian import Path, coefficients
from ornstein.process.times import TimeGrid
from ornstein.sample.stepper import Memory, Paths
from ornstein.sample.steppers import heun
from ornstein.sample.stochastic import noised

LOW, HIGH = 0.3, 2.0
r"""$\sigma/\alpha$ between which it goes back: where a picture's parts are settled, but not its texture."""


def restarted(grid: TimeGrid, steps: int, path: Path) -> Float[Tensor, " times"]:
    """Times that fall, rise once, and fall again: of at most `steps` falling steps, few of which never rise.

    They are those of a shorter grid, and the ones between ``HIGH`` and ``LOW`` once more.
    """
    for count in range(steps, 0, -1):
        times = grid.times(count, path)
        ratio = (-path(times).logsnr / 2).exp()
        inside = ((ratio >= LOW) & (ratio <= HIGH)).nonzero()[:, 0].tolist()
        again = times[inside] if len(inside) > 1 else times[:0]
        if count + max(len(again) - 1, 0) <= steps:
            end = inside[-1] + 1 if len(again) else len(times)
            return torch.cat([times[:end], again, times[end:]])
    raise AssertionError("one step never rises")


def restart(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    """Heun's step where time falls; noise, and no evaluation unless another element asks, where it rises."""
    low = fieldwise(torch.minimum, t, s)
    if _anywhere(t, low):
        x, memory = heun(denoise, path, x, t, low, memory, noise)
    if _anywhere(s, low):
        x = fieldwise(noised, x, noise(), coefficients(path, low), coefficients(path, s))
    return x, memory


def _anywhere(t: Time, low: Time) -> bool:
    """Whether `t` lies above `low` for some element."""
    gap = fieldwise(torch.sub, t, low)
    return any(bool((part > 0).any()) for part in (gap.values() if isinstance(gap, Mapping) else [gap]))
