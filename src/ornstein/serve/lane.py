"""Models that make whole texts or tables at once: one request at a time, in the order they came, and no more than fit.

What they make does not share calls of the network with its neighbours, as pictures do in an ``Engine``; a lane is what
the rest of the server knows of an engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

from ornstein.request import Progress
from ornstein.serve.engine.queue import OverloadedError

T = TypeVar("T")
WEIGHT = 0.3  # of the last request in the running mean of seconds


@dataclass(frozen=True)
class LaneLoad:
    """How busy a lane is, as of an engine: requests that wait and run, seconds of work ahead."""

    waiting: int
    running: int
    ahead: float
    rows: int = 1
    evaluations_per_second: float = 0.0
    failure: str | None = None


class Lane:
    """Runs work for any number of threads in one of its own.

    Args:
        name: of the model. waiting: requests at most. objective: seconds within which one that is let in is done.
    """

    def __init__(self, name: str, waiting: int, objective: float) -> None:
        self._waiting, self._objective = waiting, objective
        self._worker, self._lock = ThreadPoolExecutor(1, f"lane {name}"), Lock()
        self._inside, self._running, self._each = 0, 0, 0.0

    @property
    def load(self) -> LaneLoad:
        """How busy it is."""
        with self._lock:
            return LaneLoad(self._inside - self._running, self._running, self._inside * self._each)

    def expect(self, seconds: float) -> None:
        """Take so long for a request until it shows how long they take."""
        self._each = seconds

    def admit(self) -> None:
        """Refuse at once what could not be done in time; costs microseconds. Raises OverloadedError."""
        load = self.load
        ahead = load.ahead + self._each if load.ahead else 0.0
        if ahead > self._objective or load.waiting >= self._waiting:
            late = max(ahead - self._objective, 1.0)
            raise OverloadedError(
                f"too busy: {ahead:.0f} s of work lie ahead; ask again in {late:.0f} s", late
            )

    def run(self, work: Callable[[], T], progress: Progress) -> tuple[T, float]:
        """What `work` returns, and the seconds it waited for its turn.

        Args:
            work: runs alone.
            progress: asked before it begins, so that nobody waits for what is no longer wanted.

        Raises:
            What `work` and `progress` raise.
        """
        context, came = copy_context(), time.perf_counter()
        with self._lock:
            self._inside += 1
        try:
            return self._worker.submit(context.run, self._turn, work, progress, came).result()
        finally:
            with self._lock:
                self._inside -= 1

    def _turn(self, work: Callable[[], T], progress: Progress, came: float) -> tuple[T, float]:
        began = time.perf_counter()
        progress(0, 1)
        with self._lock:
            self._running = 1
        try:
            return work(), began - came
        finally:
            with self._lock:
                self._running = 0
                self._each += WEIGHT * (time.perf_counter() - began - self._each)

    def close(self, grace: float) -> None:
        """Take nothing more; what runs goes on for `grace` seconds at most, by its own progress."""
        self._worker.shutdown(wait=grace > 0, cancel_futures=True)
