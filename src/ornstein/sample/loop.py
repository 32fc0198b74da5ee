"""The loop: applies a stepper from noise to data and yields every state on the way.

Progress, previews and cancellation belong to whoever consumes the generator; steppers know nothing of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from ornstein.denoise.posterior import Denoiser, Mean, Posterior
from ornstein.process.fields import Sample, Time, fieldwise, first_tensor, select_rows
from ornstein.process.masked import certain
from ornstein.process.noise import row_noise
from ornstein.sample.stepper import Method, Paths

Grid: TypeAlias = Float[Tensor, "_ ..."] | Mapping[str, Float[Tensor, "_ ..."]]
"""Falling times of a row, or of each of its fields, equally many."""

Active: TypeAlias = Shaped[Tensor, "active *part"] | Mapping[str, Shaped[Tensor, "active ..."]]
"""As ``Sample``: the rows that have not finished."""


@runtime_checkable
class Control(Protocol):
    """``control(x, s, rows)``: what becomes of rows `rows` of a trajectory that have arrived at their times `s`."""

    def __call__(self, x: Any, s: Any, rows: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class State:
    """Where every row stands after a step.

    Attributes:
        step: steps taken so far (a row with a shorter grid has finished earlier).
        steps: steps of the longest grid.
        x: the current samples, all rows.
        mean: the latest posterior mean of all rows, for previews; None before the first step.
    """

    step: int
    steps: int
    x: Sample
    mean: Mean | None


def trajectory(
    method: Method,
    denoiser: Denoiser,
    path: Paths,
    x: Sample,
    grids: Grid | Sequence[Grid],
    condition: Any,
    seeds: Sequence[int],
    control: Control | None = None,
) -> Iterator[State]:
    """Yield the state at the start and after each step.

    Every row follows its own grid; rows whose grid has ended leave the batch and cost nothing.

    Args:
        method: how to step.
        denoiser: `denoise(x, t, condition)`.
        path: one path, or one by field.
        x: samples at the first time of each grid.
        grids: falling times, (steps + 1,) shared or one a row; float64 is best. (steps + 1, *elements) where
            elements stand at different times, for example known ones at 0 throughout; a mapping of such where those of
            several fields do.
        condition: anything with rows (``select_rows`` splits it), given to the denoiser.
        seeds: one a row, for stochastic methods.
        control: changes the samples after each step.

    Raises:
        ValueError: if the number of grids or of seeds is not the number of rows.
    """
    rows = first_tensor(x).shape[0]
    each = [grids] * rows if isinstance(grids, Tensor | Mapping) else list(grids)
    if len(each) != rows or len(seeds) != rows:
        raise ValueError(f"{rows} rows need as many grids and seeds, not {len(each)} and {len(seeds)}")
    lengths = [len(first_tensor(grid)) - 1 for grid in each]
    steps = max(lengths, default=0)
    x = fieldwise(torch.clone, x)
    means: Mean | None = None
    memory, active = method.fresh(x), list(range(rows))
    yield State(0, steps, fieldwise(torch.clone, x), None)
    for step in range(steps):
        staying = [k for k, row in enumerate(active) if lengths[row] > step]
        if len(staying) < len(active):
            memory = select_rows(memory, torch.tensor(staying))
            active = [active[k] for k in staying]
        moved, mean, memory = _advance(
            method, denoiser, path, x, each, condition, seeds, memory, active, step
        )
        if control is not None:
            moved = control(moved, _times(each, active, step + 1, moved), torch.tensor(active))
        if len(active) < rows:
            index = torch.tensor(active)
            means = fieldwise(_unasked, x, mean) if means is None else means
            moved, mean = fieldwise(_replace, x, moved, index), fieldwise(_replace, means, mean, index)
        x, means = moved, mean
        yield State(step + 1, steps, x, means)


def _advance(
    method: Method,
    denoiser: Denoiser,
    path: Paths,
    x: Sample,
    grids: Sequence[Grid],
    condition: Any,
    seeds: Sequence[int],
    memory: Mapping[str, Any],
    active: list[int],
    step: int,
) -> tuple[Active, Mean, Mapping[str, Any]]:
    """One step of the active rows: their new samples, latest posterior means and memory."""
    here, wanted = x, condition
    if len(active) < first_tensor(x).shape[0]:
        index = torch.tensor(active)
        here, wanted = select_rows(x, index), select_rows(condition, index)
    t, s = (_times(grids, active, step + k, x) for k in (0, 1))
    denoise = _Watched(denoiser, wanted, here)
    noise = _Draws([seeds[row] for row in active], step + 1, here)
    moved, memory = method.step(denoise, path, here, t, s, memory, noise)
    return moved, denoise.mean, memory


def _times(grids: Sequence[Grid], active: Sequence[int], step: int, x: Sample) -> Time:
    """Where the active rows stand at a step; as exact as the numbers of the sample are, float32 at least."""
    parts = [x] if isinstance(x, Tensor) else list(x.values())
    exact = any(part.dtype == torch.float64 for part in parts)
    dtype, device = torch.float64 if exact else torch.float32, parts[0].device
    first = grids[active[0]]
    if isinstance(first, Tensor):
        if all(grids[row] is first for row in active):
            return first[step].to(device, dtype).expand(len(active), *first.shape[1:])
        return torch.stack([cast(Tensor, grids[row])[step] for row in active]).to(device, dtype)
    each = [cast(Mapping[str, Tensor], grids[row]) for row in active]
    return {name: torch.stack([grid[name][step] for grid in each]).to(device, dtype) for name in first}


@dataclass(slots=True)
class _Draws:
    """Noise of one step; another at each call."""

    seeds: Sequence[int]
    step: int
    like: Sample
    calls: int = 0

    def __call__(self) -> Sample:
        self.calls += 1
        if isinstance(self.like, Tensor):
            return row_noise(self.seeds, self.step, self.like, self.calls - 1)
        return _LazyDraws(self.seeds, self.step, self.like, self.calls - 1)


@dataclass(frozen=True, slots=True)
class _LazyDraws(Mapping[str, Tensor]):
    """Noise by field, drawn when it is asked for: drawing for each row takes longer than a small network's step."""

    seeds: Sequence[int]
    step: int
    like: Mapping[str, Tensor]
    again: int

    def __getitem__(self, name: str) -> Tensor:
        noise = row_noise(self.seeds, self.step, {name: self.like[name]}, self.again)
        return cast(Mapping[str, Tensor], noise)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.like)

    def __len__(self) -> int:
        return len(self.like)


@dataclass(slots=True)
class _Watched:
    """A denoiser whose condition is given; its latest mean (at first: the sample) stays to be seen."""

    denoiser: Denoiser
    condition: Any
    mean: Mean

    def __call__(self, x_t: Sample, t: Time, /) -> Posterior:
        posterior = self.denoiser(x_t, t, self.condition)
        self.mean = posterior.mean
        return posterior


def _unasked(
    x: Shaped[Tensor, "rows *shape"], mean: Float[Tensor, "active ..."]
) -> Float[Tensor, "rows ..."]:
    """What is believed of rows that nobody was asked about: numbers are what they are, hidden categories anything."""
    if x.is_floating_point():
        return x
    return certain(x, mean.new_zeros(len(x), *mean.shape[1:]))


def _replace(
    x: Shaped[Tensor, "rows *shape"], part: Shaped[Tensor, "active *shape"], index: Int[Tensor, " active"]
) -> Shaped[Tensor, "rows *shape"]:
    return x.index_copy(0, index.to(x.device), part)


def sample(
    method: Method,
    denoiser: Denoiser,
    path: Paths,
    x: Sample,
    grids: Grid | Sequence[Grid],
    condition: Any,
    seeds: Sequence[int],
) -> Sample:
    """Run ``trajectory`` to its end and return the clean samples."""
    return sample_last(trajectory(method, denoiser, path, x, grids, condition, seeds))


def sample_last(states: Iterator[State]) -> Sample:
    """Run a trajectory to its end and return the samples of its last state."""
    return deque(states, maxlen=1).pop().x
