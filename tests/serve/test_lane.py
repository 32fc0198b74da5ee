"""Texts and tables are made one after another, in turns that are fair to whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from time import monotonic, sleep

import pytest

from ornstein.serve.engine.queue import OverloadedError
from ornstein.serve.lane import Lane


def quiet(done: int, of: int) -> None:
    """Nobody watches."""


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane("m", waiting=20, objective=60, share=lambda owner: 3.0 if owner == "large" else 1.0)
    yield made
    made.close(0)


def order(lane: Lane, asked: list[str], seconds: float = 0.02) -> list[str]:
    """In which order owners are served who all ask while something else runs."""
    began, go, served = threading.Event(), threading.Event(), []

    def hold() -> None:
        began.set()
        go.wait(10)

    def serve(owner: str) -> Callable[[], None]:
        def work() -> None:
            sleep(seconds)
            served.append(owner)

        return work

    with ThreadPoolExecutor(len(asked) + 1) as callers:
        callers.submit(lane.run, hold, quiet, "first")
        assert began.wait(10)
        for place, owner in enumerate(asked):
            callers.submit(lane.run, serve(owner), quiet, owner)
            until(lambda place=place: lane.load.waiting == place + 1)
        go.set()
    return served


def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens soon."""
    late = monotonic() + 10
    while not true():
        assert monotonic() < late
        sleep(0.001)


def test_one_who_asks_for_much_does_not_hold_up_the_others(lane: Lane) -> None:
    served = order(lane, ["many"] * 8 + ["one", "other"])
    assert served.index("one") <= 2 and served.index("other") <= 3


def test_requests_of_one_owner_are_done_in_their_order(lane: Lane) -> None:
    done: list[int] = []
    with ThreadPoolExecutor(5) as callers:
        for k in range(5):
            callers.submit(lane.run, lambda k=k: (sleep(0.02), done.append(k)), quiet, "one")
            until(lambda k=k: lane.load.waiting + lane.load.running + len(done) >= k + 1)
    assert done == sorted(done)


def test_shares_count(lane: Lane) -> None:
    served = order(lane, ["small", "large"] * 6)
    assert served[:8].count("large") >= 5


def test_what_fails_reaches_whoever_asked_and_the_next_is_served(lane: Lane) -> None:
    with pytest.raises(ZeroDivisionError):
        lane.run(lambda: 1 // 0, quiet)
    assert lane.run(lambda: 7, quiet)[0] == 7


def test_what_is_no_longer_wanted_is_not_begun(lane: Lane) -> None:
    def unwanted(done: int, of: int) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        lane.run(lambda: pytest.fail("begun"), unwanted)
    assert lane.load.waiting == lane.load.running == 0


def test_more_than_fits_is_refused_at_once(lane: Lane) -> None:
    lane.expect(100.0)
    assert lane.load.ahead == 0
    lane.admit()  # nobody else is there: it may take as long as it takes
    with ThreadPoolExecutor(1) as callers:
        began, go = threading.Event(), threading.Event()
        callers.submit(lane.run, lambda: (began.set(), go.wait(10)), quiet)
        assert began.wait(10)
        with pytest.raises(OverloadedError, match="too busy"):
            lane.admit()
        go.set()


def test_those_who_wait_are_told_when_it_closes(lane: Lane) -> None:
    began, go = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as callers:
        running = callers.submit(lane.run, lambda: (began.set(), go.wait(10)), quiet)
        assert began.wait(10)
        waiting = callers.submit(lane.run, lambda: pytest.fail("begun"), quiet)
        until(lambda: lane.load.waiting == 1)
        lane.close(0)
        with pytest.raises(CancelledError):
            waiting.result(10)
        go.set()
        running.result(10)
