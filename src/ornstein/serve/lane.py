"""Models that make whole texts or tables at once: one request at a time, keys in fair turns, and no more than fit.

What they make does not share calls of the network with its neighbours, as pictures do in an ``Engine``; a lane is what
the rest of the server knows of an engine. Whose turn it is, the engine's own queue says, by the seconds that each took.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

from ornstein.request import Progress
from ornstein.serve.engine.queue import AGEING, FairQueue, OverloadedError

T = TypeVar("T")
WEIGHT = 0.3  # of the last request in the running mean of seconds
WORK = 20 * AGEING  # of a second, in the queue's unit: twenty seconds of waiting are worth one of work


@dataclass(frozen=True)
class LaneLoad:
    """How busy a lane is, as of an engine: requests that wait and run, seconds of work ahead."""

    waiting: int
    running: int
    ahead: float
    rows: int = 1
    evaluations_per_second: float = 0.0
    failure: str | None = None


@dataclass(eq=False)
class _Asked:
    """A request in line; `cost` and `weight` as of ``Waits``."""

    turn: Callable[[], Any]
    cost: float
    weight: float = 1.0
    done: Future[Any] = field(default_factory=Future)


class Lane:
    """Runs work for any number of threads in one of its own.

    Args:
        name: of the model. waiting: requests at most. objective: seconds within which one that is let in is done.
        share: of the lane, that an owner has relative to others.
    """

    def __init__(
        self, name: str, waiting: int, objective: float, share: Callable[[str], float] = lambda owner: 1.0
    ) -> None:
        self._waiting, self._objective = waiting, objective
        self._queue = FairQueue[_Asked](share)
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

    def run(self, work: Callable[[], T], progress: Progress, owner: str = "") -> tuple[T, float]:
        """What `work` returns, and the seconds it waited for its turn.

        Args:
            work: runs alone.
            progress: asked before it begins, so that nobody waits for what is no longer wanted.
            owner: who is to get a fair share of the lane: an API key.

        Raises:
            What `work` and `progress` raise.
        """
        context, came = copy_context(), time.perf_counter()
        with self._lock:
            asked = _Asked(
                lambda: context.run(self._turn, work, progress, came), max(self._each, 1e-3) * WORK
            )
            call = self._queue.open(owner, 1, asked.cost)
            self._queue.add(call, asked)
            self._inside += 1
        try:
            self._worker.submit(self._next)
            return asked.done.result()
        finally:
            with self._lock:
                self._inside -= 1
                self._queue.close(call)

    def _next(self) -> None:
        """Run the one whose turn it is."""
        with self._lock:
            asked = self._queue.take(1.0)
        if asked is None:  # whoever asked was turned away meanwhile
            return
        began = time.perf_counter()
        try:
            asked.done.set_result(asked.turn())
        except BaseException as error:
            asked.done.set_exception(error)
        finally:
            with self._lock:
                self._queue.spend(asked, (time.perf_counter() - began) * WORK)
                self._queue.leave(asked)

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
        self._worker.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            while (asked := self._queue.take(1.0)) is not None:
                asked.done.cancel()
        self._worker.shutdown(wait=grace > 0)
