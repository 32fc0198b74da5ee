r"""Whose turn is it: fair queueing over owners and their calls, in slices, with ageing.

Work is counted in evaluations: rows of the network, of the model's own size. Every owner has a clock that advances by
the work done for it divided by its share, and whoever's clock stands lowest is next (start-time fair queueing, Goyal et
al. 1996); within an owner its calls take turns in the same way, so that a call for a thousand pictures does not hold up
a small one behind it. A picture keeps its place for a slice of work; then, if others wait, it stands in line again, so
that a thousand steps do not hold up anybody either. Who waits ages: its clock counts as lower by so much a second, and
so a stream of newcomers cannot starve it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ornstein.errors import OrnsteinError

SLICE = 64.0
"""Evaluations that a picture may use before it stands in line again: most pictures are done by then."""

AGEING = 16.0
"""Evaluations that a second of waiting is worth."""


class OverloadedError(OrnsteinError):
    """More is asked than can be done in time.

    Attributes:
        retry_after: seconds after which it is worth asking again.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Waits(Protocol):
    """What stands in line.

    Attributes:
        weight: room that it takes while it runs, in rows. cost: evaluations it still needs, about.
    """

    @property
    def weight(self) -> float: ...
    @property
    def cost(self) -> float: ...


T = TypeVar("T", bound=Waits)


@dataclass(eq=False)
class Turn:
    """Who takes turns.

    Attributes:
        share: of the work, relative to others at the same level.
        clock: work done for it by its share. since: when it was last served, or joined.
        work: evaluations that are still to be done for it, about.
    """

    share: float
    clock: float
    since: float
    work: float = 0.0

    def rank(self, now: float) -> float:
        """Lowest is next."""
        return self.clock - AGEING * (now - self.since)


@dataclass(eq=False)
class Lane(Turn, Generic[T]):
    """A call of an owner.

    Attributes:
        pictures: that are not finished. line: those that wait, in their order.
    """

    owner: Owner[T] = field(kw_only=True)
    pictures: int = 0
    line: deque[T] = field(default_factory=deque)


@dataclass(eq=False)
class Owner(Turn, Generic[T]):
    """Whoever is to get a fair share: an API key.

    Attributes:
        lanes: its calls. latest: the clock of the one served last, at which new ones begin.
    """

    lanes: list[Lane[T]] = field(default_factory=list)
    latest: float = 0.0


class FairQueue(Generic[T]):
    """Calls of owners, each with pictures that wait. It holds no lock: whoever shares it does.

    Args:
        share: of an owner by name.
        now: seconds, of any clock.
    """

    def __init__(
        self, share: Callable[[str], float] = lambda owner: 1.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._share, self._now = share, now
        self._owners: dict[str, Owner[T]] = {}
        self._latest = 0.0
        self._slices: dict[int, tuple[Lane[T], float]] = {}

    def open(self, owner: str, pictures: int, work: float) -> Lane[T]:
        """A call of an owner, that will need about so many evaluations."""
        now = self._now()
        self._forget()
        if owner not in self._owners:
            self._owners[owner] = Owner(self._share(owner), self._latest, now)
        its = self._owners[owner]
        its.share = self._share(owner)
        if not its.lanes:
            its.clock, its.since = max(its.clock, self._latest), now
        lane = Lane[T](1.0, its.latest, now, work, owner=its, pictures=pictures)
        its.lanes.append(lane)
        its.work += work
        return lane

    def close(self, lane: Lane[T]) -> None:
        """A call is over; what was left of it is not wanted any more."""
        owner = lane.owner
        if lane in owner.lanes:
            owner.lanes.remove(lane)
            owner.work = sum(other.work for other in owner.lanes)
            lane.pictures = 0
            lane.line.clear()

    def add(self, lane: Lane[T], item: T) -> None:
        """Stand in line, behind the others of the call."""
        now = self._now()
        if not any(other.line for other in lane.owner.lanes):
            lane.owner.since = now
        if not lane.line:
            lane.since = now
        lane.line.append(item)

    def take(self, room: float, may: Callable[[T], bool] = lambda item: True) -> T | None:
        """The one whose turn it is among those that may run, if it fits; none overtakes it, and room comes within a
        slice.
        """
        ready = {
            owner: [lane for lane in owner.lanes if lane.line and may(lane.line[0])]
            for owner in self._owners.values()
        }
        if not any(ready.values()):
            return None
        now = self._now()
        owner = min((owner for owner, lanes in ready.items() if lanes), key=lambda turn: turn.rank(now))
        lane = min(ready[owner], key=lambda turn: turn.rank(now))
        if lane.line[0].weight > room:
            return None
        item = lane.line.popleft()
        self._latest, owner.latest = max(self._latest, owner.clock), max(owner.latest, lane.clock)
        owner.since = lane.since = now
        self._begin(lane, item)
        return item

    def _begin(self, lane: Lane[T], item: T) -> None:
        """A slice is paid for as it begins, or one owner could take all places at once."""
        size = min(SLICE, item.cost)
        self._slices[id(item)] = lane, size
        _advance(lane, size)

    def spend(self, item: T, work: float) -> None:
        """So much was done for one that runs."""
        lane, left = self._slices[id(item)]
        self._slices[id(item)] = lane, left - work
        lane.work, lane.owner.work = max(lane.work - work, 0.0), max(lane.owner.work - work, 0.0)

    def over(self, item: T) -> bool:
        """Whether the slice of one that runs is used up."""
        return self._slices[id(item)][1] <= 0

    def put_back(self, item: T) -> None:
        """One that runs stands in line again."""
        self.add(self._settle(item), item)

    def leave(self, item: T) -> None:
        """One that runs is finished, or is given up."""
        lane = self._settle(item)
        lane.pictures = max(lane.pictures - 1, 0)

    def _settle(self, item: T) -> Lane[T]:
        """What was not used of a slice is given back; what was used beyond it is paid."""
        lane, left = self._slices.pop(id(item))
        _advance(lane, -left)
        return lane

    def _forget(self) -> None:
        """Owners without calls, once everybody's clock has passed theirs."""
        for name in [n for n, o in self._owners.items() if not o.lanes and o.clock <= self._latest]:
            del self._owners[name]

    @property
    def waiting(self) -> bool:
        """Whether anything stands in line."""
        return any(lane.line for owner in self._owners.values() for lane in owner.lanes)

    @property
    def pictures(self) -> int:
        """That are not finished: running, in line, or still to come."""
        return sum(lane.pictures for owner in self._owners.values() for lane in owner.lanes)

    @property
    def work(self) -> float:
        """Evaluations still to be done for everybody, about."""
        return sum(owner.work for owner in self._owners.values())

    def ahead(self, work: float, owner: str) -> float:
        """Evaluations that are done for others before a new call of `owner` that needs `work` is finished, about.

        By then every other call of the owner has got as much, and every other owner as much by its share, or all
        that it wants.
        """
        mine = self._owners.get(owner)
        own = sum(min(lane.work, work) for lane in mine.lanes) if mine else 0.0
        share = mine.share if mine else self._share(owner)
        of_others = (
            min(other.work, (own + work) * other.share / share)
            for other in self._owners.values()
            if other is not mine
        )
        return own + sum(of_others)


def _advance(lane: Lane[T], work: float) -> None:
    for turn in (lane, lane.owner):
        turn.clock += work / turn.share
