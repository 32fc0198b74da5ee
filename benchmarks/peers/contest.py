"""The rules every contestant trains by: the same seconds, the clock stopped while its pictures are drawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

STEP_CHOICES = (250, 100, 50, 25, 10)  # of a peer's own DDIM, where its default takes too long
SAMPLE_BATCH = 50


class Contestant(Protocol):
    """A model in training.

    Attributes:
        settings: what to say of it, plain values.
    """

    settings: dict[str, Any]

    def step(self, share: float) -> None:
        """Train one step, `share` in [0, 1) of the whole budget having been spent."""
        ...

    def sample(self, count: int, seed: int) -> tuple[np.ndarray, str]:
        """Draw pictures, uint8 (count, 28, 28, 1), and say with which sampler."""
        ...


@dataclass(frozen=True)
class Snapshot:
    """A contestant after so many minutes: seconds really spent, and steps taken."""

    minutes: float
    seconds: float
    steps: int


def snapshots(
    step: Callable[[float], None],
    minutes: Sequence[float],
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Snapshot]:
    """Train, and stop at each of the `minutes`; what the caller does in between is not counted.

    A step that has begun is finished, so a snapshot comes up to one step late; its seconds say so.

    Raises:
        ValueError: no minutes, or some that are not positive.
    """
    if not minutes or min(minutes) <= 0:
        raise ValueError("a contest needs positive minutes")
    marks, spent, steps = sorted(minutes), 0.0, 0
    for mark in marks:
        while spent < 60 * mark:
            started = clock()
            step(spent / (60 * marks[-1]))
            spent += clock() - started
            steps += 1
        yield Snapshot(mark, spent, steps)


def affordable(default: int, seconds: Callable[[], float], count: int, limit: float) -> int:
    """Steps of a sampler: its default, or the most of ``STEP_CHOICES`` that draw `count` pictures in `limit` seconds.

    Args:
        default: steps the library documents.
        seconds: measures one step of ``SAMPLE_BATCH`` pictures.
        count: pictures wanted.
        limit: seconds for all of them.
    """
    each = seconds() * count / SAMPLE_BATCH
    choices = [default, *(steps for steps in STEP_CHOICES if steps < default)]
    return next((steps for steps in choices if steps * each <= limit), choices[-1])


def faster_dtype(work: Callable[[torch.dtype], object]) -> torch.dtype:
    """bfloat16 or float32, whichever does `work` faster on this machine; the better of two tries counts."""
    best: dict[torch.dtype, float] = {}
    for dtype in (torch.bfloat16, torch.float32):
        work(dtype)
        best[dtype] = min(timed(lambda dtype=dtype: work(dtype)) for _ in range(2))
    return min(best, key=lambda dtype: best[dtype])


def timed(work: Callable[[], object]) -> float:
    """Seconds a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def falling(share: float, warm: float = 0.01, decay: float = 0.5) -> float:
    """Share of the learning rate by the clock: warm-up, plateau, linear decay to zero; what Ornstein's recipes do."""
    return min(1.0, (share + 1e-3) / warm, max(0.0, (1 - share) / decay))


class Pictures:
    """Training pictures drawn without replacement, epoch after epoch, as a shuffling loader would.

    Args:
        pictures: uint8 (N, 28, 28, 1).
        batch: pictures at once.
        side: of what is returned; the picture sits in the middle of black.
    """

    def __init__(self, pictures: np.ndarray, batch: int, side: int = 28, seed: int = 0) -> None:
        self._pictures = torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1)
        self._batch, self._margin = batch, (side - pictures.shape[1]) // 2
        self._random, self._order = torch.Generator().manual_seed(seed), torch.empty(0, dtype=torch.long)

    def __call__(self) -> Tensor:
        """The next batch: float32 (batch, 1, side, side) in [0, 1]."""
        if len(self._order) < self._batch:
            self._order = torch.randperm(len(self._pictures), generator=self._random)
        chosen, self._order = self._order[: self._batch], self._order[self._batch :]
        x = self._pictures[chosen].float() / 255
        return torch.nn.functional.pad(x, (self._margin,) * 4)


def to_bytes(x: Tensor | np.ndarray, margin: int) -> np.ndarray:
    """Pictures in [0, 1], (N, H, W, 1), as uint8 without their `margin`."""
    full = (np.asarray(x) * 255).round().clip(0, 255).astype(np.uint8)
    side = full.shape[1] - margin
    return full[:, margin:side, margin:side]
