"""How soon those who are let in are really answered: an engine knows its network, not the checks and files after it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from ornstein.serve.engine.queue import OverloadedError

WINDOW, FEWEST = 32, 8  # requests that are remembered; that tell a pace
CERTAIN = 0.7  # of the objective that is promised: requests differ, and refusing many takes time, too


class Pace:
    """Counts requests in and out.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.inside = 0
        self._clock, self._finished = clock, deque[float](maxlen=WINDOW)
        self._each = 0.0

    def expect(self, each: float) -> None:
        """Take so many seconds from one answer to the next for the pace, until it shows itself."""
        self._each = each

    def enter(self) -> None:
        """One is let in."""
        self.inside += 1

    def leave(self) -> None:
        """One is answered, in whatever way."""
        self.inside -= 1
        if self.inside == 0:  # what follows is no time that anybody waited
            self._each = self._now()
            self._finished.clear()

    def finished(self) -> None:
        """The work of one is done."""
        self._finished.append(self._clock())

    def admit(self, objective: float) -> None:
        """Refuse one more that could not be answered within the objective, at the pace of late.

        Few requests say nothing of what could be done: where they are seldom, so are their answers.

        Raises:
            OverloadedError: it could not.
        """
        if self.inside < FEWEST:
            return
        ahead = (self.inside + 1) * self._now()
        if ahead > CERTAIN * objective:
            late = max(ahead - CERTAIN * objective, 1.0)
            raise OverloadedError(
                f"too busy: {self.inside} requests are ahead, about {ahead:.0f} s; ask again in {late:.0f} s",
                late,
            )

    def _now(self) -> float:
        """Seconds from one answer to the next, lately; as before or as expected where too few came since."""
        if len(self._finished) < FEWEST:
            return self._each
        return (self._clock() - self._finished[0]) / len(self._finished)
