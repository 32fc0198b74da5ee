"""Requests are let in as far as the service as a whole has been quick enough lately."""

from __future__ import annotations

import pytest

from ornstein.serve.engine.queue import OverloadedError
from ornstein.serve.pace import CERTAIN, FEWEST, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def busy(pace: Pace, clock: Clock, count: int, each: float) -> None:
    """Answer `count` requests, one every `each` seconds, with others inside all the time."""
    for _ in range(count):
        pace.enter()
        clock.now += each
        pace.finished()
        pace.leave()


def let_in(pace: Pace, objective: float) -> int:
    """How many are let in at once before one is refused."""
    count = 0
    while count < 10_000:
        try:
            pace.admit(objective)
        except OverloadedError:
            return count
        pace.enter()
        count += 1
    return count


@pytest.mark.parametrize("each", [0.1, 0.5, 2.0])
def test_as_many_are_let_in_as_are_answered_in_time(each: float) -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.enter()
    busy(pace, clock, 100, each)
    assert let_in(pace, 30) + 1 == pytest.approx(CERTAIN * 30 / each, rel=0.05, abs=1)


def test_what_nobody_knows_yet_refuses_nobody() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.enter()
    busy(pace, clock, FEWEST - 1, 10.0)
    assert let_in(pace, 1) == 10_000


def test_what_was_expected_holds_until_the_pace_shows_itself() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.expect(0.5)
    assert let_in(pace, 30) == pytest.approx(CERTAIN * 30 / 0.5, rel=0.05)
    busy(pace, clock, 50, 0.05)
    assert pace.inside + let_in(pace, 30) == pytest.approx(CERTAIN * 30 / 0.05, rel=0.05)


def test_idle_time_is_not_waiting_and_the_pace_of_before_is_remembered() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.enter()
    busy(pace, clock, 50, 0.5)
    pace.leave()
    clock.now += 10_000
    assert let_in(pace, 30) == pytest.approx(CERTAIN * 30 / 0.5, rel=0.05)


def test_a_standstill_shuts_the_door() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.enter()
    busy(pace, clock, 50, 0.1)
    for _ in range(FEWEST):
        pace.enter()
    clock.now += 3000
    with pytest.raises(OverloadedError) as caught:
        pace.admit(30)
    assert caught.value.retry_after > 30


def test_slow_requests_of_few_clients_refuse_nobody() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.enter()
    busy(pace, clock, 50, 60.0)
    pace.admit(30)  # hardly anybody asks, so hardly anybody was answered
