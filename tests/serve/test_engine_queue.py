"""Laws of the queue, on a clock of its own: shares are kept, nobody starves, and nobody waits behind a giant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ornstein.serve.engine.queue import AGEING, SLICE, FairQueue, Lane

RATE = 200.0  # evaluations a second


@dataclass(eq=False)
class Job:
    """Stands in line for a picture."""

    owner: str
    cost: float
    lane: Lane[Job]
    began: float
    weight: float = 2.0
    got: float = 0.0
    waited: float = 0.0
    since: float = field(init=False)

    def __post_init__(self) -> None:
        self.since = self.began


class Machine:
    """The queue, and a machine that does `rows` evaluations a round."""

    def __init__(self, rows: int = 16, shares: dict[str, float] | None = None) -> None:
        self.time, self.rows = 0.0, rows
        self.queue = FairQueue[Job](lambda owner: (shares or {}).get(owner, 1.0), lambda: self.time)
        self.running: list[Job] = []
        self.done: list[tuple[float, Job]] = []
        self.received: Counter[str] = Counter()

    def ask(self, owner: str, pictures: int, cost: float, weight: float = 2.0) -> Lane[Job]:
        lane = self.queue.open(owner, pictures, pictures * cost)
        for _ in range(pictures):
            self.queue.add(lane, Job(owner, cost, lane, self.time, weight))
        return lane

    def round(self) -> None:
        for job in [job for job in self.running if self.queue.over(job) and self.queue.waiting]:
            self.running.remove(job)
            job.since = self.time
            self.queue.put_back(job)
        while job := self.queue.take(self.rows - sum(job.weight for job in self.running)):
            job.waited = max(job.waited, self.time - job.since)
            self.running.append(job)
        self.time += self.rows / RATE
        for job in list(self.running):
            self.queue.spend(job, job.weight)
            self.received[job.owner] += job.weight
            job.got += job.weight
            if job.got >= job.cost:
                self.running.remove(job)
                self.queue.leave(job)
                self.done.append((self.time, job))
                if not job.lane.pictures:
                    self.queue.close(job.lane)

    def run(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        end = self.time + seconds
        while self.time < end:
            each()
            self.round()


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from([0.5, 1.0, 2.0, 4.0]), min_size=2))
def test_work_goes_by_share_whatever_is_asked(shares: dict[str, float]) -> None:
    """Pictures of other lengths, calls of other sizes: in the long run only the share counts."""
    machine = Machine(shares=shares)
    for k, owner in enumerate(shares):
        for size in (1, 7, 200):
            machine.ask(owner, size * (k + 1), cost=[28.0, 100.0, 2000.0][k % 3] * 10)
    machine.run(120)
    whole, total = sum(machine.received.values()), sum(shares.values())
    for owner, share in shares.items():
        assert machine.received[owner] / whole == pytest.approx(share / total, abs=0.03)


def test_what_one_leaves_the_others_get() -> None:
    machine = Machine(shares={"rich": 9.0})
    machine.ask("poor", 100, 1000)
    machine.run(10)
    assert machine.received["poor"] == pytest.approx(10 * RATE, rel=0.02)


@pytest.mark.parametrize(("pictures", "cost"), [(1000, 40.0), (8, 2000.0), (1000, 2000.0)])
@pytest.mark.parametrize("owner", ["giant", "other"])
def test_a_small_call_gets_through_beside_a_huge_one(pictures: int, cost: float, owner: str) -> None:
    """Of the same owner or of another: it waits for a slice at most, and does not run much slower."""
    machine = Machine()
    machine.ask("giant", pictures, cost)
    machine.run(20)
    asked = machine.time
    small = machine.ask(owner, 1, 28.0)
    machine.run(10)
    (finished,) = [(when, job) for when, job in machine.done if job.lane is small]
    slice_of_all = SLICE * 8 / RATE  # until eight pictures have used up a slice
    assert finished[1].waited <= slice_of_all
    assert finished[0] - asked <= slice_of_all + 28 / 2 * 16 / RATE + 0.1


def test_ageing_keeps_newcomers_from_starving_a_call() -> None:
    """A stream of small calls that alone would fill the machine; the large one behind goes on all the same."""
    machine, count = Machine(), iter(range(100_000))
    large = machine.ask("large", 1, 320.0)

    def newcomers() -> None:
        while sum(1 for owner in machine.queue._owners.values() for lane in owner.lanes if lane.line) < 20:
            machine.ask(f"new {next(count)}", 1, 28.0)

    machine.run(60, newcomers)
    (job,) = [job for _, job in machine.done if job.lane is large]
    fresh = max(other.waited for _, other in machine.done if other is not job)
    assert job.waited <= fresh + SLICE / AGEING  # by then it is worth more than one that has just come


def test_one_that_does_not_fit_is_not_overtaken_for_ever() -> None:
    machine = Machine()
    machine.ask("small", 500, 28.0)
    machine.run(1)
    wide = machine.ask("wide", 1, 80.0, weight=8.0)
    machine.run(10)
    (job,) = [job for _, job in machine.done if job.lane is wide]
    assert job.waited <= SLICE * 8 / RATE


def test_what_a_call_left_behind_is_forgotten() -> None:
    machine = Machine()
    first = machine.ask("a", 50, 100.0)
    machine.run(1)
    machine.queue.close(first)
    assert not machine.queue.waiting
    for job in list(machine.running):
        machine.queue.leave(job)
    machine.running.clear()
    assert (machine.queue.pictures, machine.queue.work) == (0, 0)
    machine.ask("b", 1, 28.0)
    machine.run(5)
    assert machine.queue.work == 0 and machine.queue.pictures == 0


def test_an_owner_is_not_paid_for_having_been_away() -> None:
    """Who comes back after an hour does not hold up the others for an hour."""
    machine = Machine()
    machine.ask("idle", 1, 28.0)
    machine.ask("busy", 3000, 100.0)
    machine.run(600)
    before = machine.received["busy"]
    machine.ask("idle", 300, 100.0)
    machine.run(10)
    assert machine.received["busy"] - before == pytest.approx(5 * RATE, rel=0.15)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9), st.floats(1, 500)), min_size=1, max_size=9)
)
def test_everybody_is_done_by_when_it_was_foretold(calls: list[tuple[str, int, float]]) -> None:
    """``ahead`` is what goes before a call; with its own work it is when it ends, give or take a slice of each."""
    machine = Machine(rows=4)
    for owner, pictures, cost in calls:
        machine.ask(owner, pictures, cost)
    assert machine.queue.work == pytest.approx(sum(pictures * cost for _, pictures, cost in calls))
    ahead = machine.queue.ahead(100.0, "b")
    last = machine.ask("b", 2, 50.0)
    asked = machine.time
    while last.pictures:
        machine.round()
    behind = SLICE * (len(calls) + 2) + 2 * len(calls)
    assert (machine.time - asked) * RATE <= ahead + 100 + behind
