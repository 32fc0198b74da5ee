"""What waits together is done together; everybody gets their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ornstein.serve.stage import Stage


def test_what_gathers_while_a_call_runs_is_one_call() -> None:
    calls: list[int] = []

    def slow(items: Sequence[int]) -> list[int]:
        calls.append(len(items))
        time.sleep(0.05)
        return [item * item for item in items]

    stage = Stage(slow, most=64)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda k: stage([k, -k]), range(16)))
    assert results == [[k * k, k * k] for k in range(16)]
    assert sum(calls) == 32
    assert len(calls) <= 5


def test_no_call_is_larger_than_it_may_be_unless_one_asks_for_more() -> None:
    calls: list[int] = []

    def work(items: Sequence[int]) -> list[int]:
        calls.append(len(items))
        time.sleep(0.01)
        return list(items)

    stage = Stage(work, most=4)
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(lambda k: stage([k] * (9 if k == 5 else 1)), range(12))) == [
            [k] * (9 if k == 5 else 1) for k in range(12)
        ]
    assert sorted(calls)[-1] == 9
    assert all(call <= 4 for call in calls if call != 9)


def test_an_error_is_told_to_whom_it_belongs_alone() -> None:
    entered = threading.Event()

    def work(items: Sequence[int]) -> list[int]:
        entered.wait(1)
        if 3 in items:
            raise ValueError("three")
        return list(items)

    stage = Stage(work)
    with ThreadPoolExecutor(6) as pool:
        asked = {k: pool.submit(stage, [k]) for k in range(6)}
        entered.set()
        for k, future in asked.items():
            if k == 3:
                with pytest.raises(ValueError, match="three"):
                    future.result(5)
            else:
                assert future.result(5) == [k]
    assert stage([]) == []
