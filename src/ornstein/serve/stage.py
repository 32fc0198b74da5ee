"""A stage that many requests share: what waits for it is done in one call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass
class _Job(Generic[In, Out]):
    items: Sequence[In]
    out: list[Out] = field(default_factory=list)
    error: BaseException | None = None
    done: bool = False


class Stage(Generic[In, Out]):
    """One function over lists, called by many threads at once and run by one of them for all that wait.

    While a call runs, others gather; the next takes them all. So a check costs as in a batch when many ask, and nobody
    waits for a batch to fill when few do.

    Args:
        work: gives one result for each item, in their order.
        most: items of one call.
    """

    def __init__(self, work: Callable[[Sequence[In]], list[Out]], most: int = 16) -> None:
        self._work, self._most = work, most
        self._waiting: list[_Job[In, Out]] = []
        self._door, self._turn = threading.Lock(), threading.Lock()

    def __call__(self, items: Sequence[In]) -> list[Out]:
        """The results of these items. Raises what the function raises for them; others' errors stay with them."""
        if not items:
            return []
        job = _Job[In, Out](items)
        with self._door:
            self._waiting.append(job)
        while not job.done:
            with self._turn:
                if not job.done:
                    self._run(self._next())
        if job.error is not None:
            raise job.error
        return job.out

    def _next(self) -> list[_Job[In, Out]]:
        """The jobs that waited longest, as many as fit in a call; at least one."""
        with self._door:
            taken, count = [self._waiting.pop(0)], 0
            count = len(taken[0].items)
            while self._waiting and count + len(self._waiting[0].items) <= self._most:
                taken.append(self._waiting.pop(0))
                count += len(taken[-1].items)
        return taken

    def _run(self, jobs: Sequence[_Job[In, Out]]) -> None:
        try:
            results = self._work([item for job in jobs for item in job.items])
        except BaseException as error:
            if len(jobs) > 1:  # whose fault it is shows when each is alone
                for job in jobs:
                    self._run([job])
                return
            jobs[0].error, jobs[0].done = error, True
            return
        start = 0
        for job in jobs:
            job.out, start = results[start : start + len(job.items)], start + len(job.items)
            job.done = True
