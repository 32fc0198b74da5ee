"""Rates: so many requests a minute for each key, counted in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

MOST = 10_000  # keys whose buckets are kept
MINUTE = 60.0


@dataclass(frozen=True)
class Allowance:
    """What a key has left.

    Attributes:
        allowed: whether this request may pass. limit: requests a minute. remaining: that may pass at once.
        retry_after: seconds until the next may pass; 0 where it may now. reset: seconds until all may.
    """

    allowed: bool
    limit: int
    remaining: int
    retry_after: float
    reset: float


class RateLimit:
    """Token buckets: a key that has been quiet for a minute may send a minute's requests at once.

    Several processes count each for itself: behind a balancer, divide the limit.

    Args:
        clock: seconds, never falling.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full: dict[str, float] = {}  # when the bucket of a key will be full again
        self._lock = threading.Lock()

    def take(self, key: str, per_minute: int) -> Allowance:
        """Let a request of this key pass, or not; in microseconds."""
        now, each = self._clock(), MINUTE / per_minute
        with self._lock:
            full = max(self._full.get(key, now), now)
            allowed = full + each <= now + MINUTE * (1 + 1e-9)
            if allowed:
                full += each
                self._full[key] = full
                if len(self._full) > MOST:
                    self._full = {name: when for name, when in self._full.items() if when > now}
        remaining = int((now + MINUTE - full) / each + 1e-6)
        wait = 0.0 if remaining else full + each - now - MINUTE
        return Allowance(allowed, per_minute, remaining, max(wait, 0.0), full - now)
