"""The engine under strain: callers who leave, pictures that fail, networks that break, more work than can be done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ornstein.drawing import Drawer, Previews
from ornstein.errors import OrnsteinError, UsageError
from ornstein.model import Model
from ornstein.output import Output
from ornstein.request import Request, requests
from ornstein.serve.engine.engine import Engine
from ornstein.serve.engine.gather import Tick
from ornstein.serve.engine.queue import OverloadedError
from tests.small import bundle, model

__all__ = ["bundle", "model"]

pytestmark = pytest.mark.filterwarnings("ignore:this model was trained")


class Left(Exception):  # noqa: N818
    """What a caller raises who does not want to wait any longer."""


class Ticks(list[Tick]):
    """Calls of the network; while `held`, the engine waits after the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()

    def __call__(self, tick: Tick) -> None:
        self.append(tick)
        self.free.wait()


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def engine(model: Model, ticks: Ticks) -> Iterator[Engine]:
    engine = Engine(model, rows=8, watch=ticks)
    yield engine
    ticks.free.set()
    engine.close()


def ask(model: Model, n: int = 1, seed: int = 1, **settings: Any) -> list[Request]:
    return requests("cat", n, seed, "", model.recipe.sampling, **settings)


def later(work: Callable[[], Any]) -> Callable[[], Any]:
    """Start `work` in a thread; the result waits for it, and gives what it returned or raised."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def wait() -> Any:
        thread.join(60)
        return found[0]

    return wait


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_it_draws_as_a_model_does(engine: Engine) -> None:
    assert isinstance(engine.make, Drawer)


@pytest.mark.parametrize("how", ["progress", "show"])
def test_who_leaves_frees_the_place_within_one_tick(
    engine: Engine, model: Model, ticks: Ticks, how: str
) -> None:
    stay = later(lambda: engine.make(ask(model, steps=12, seed=5)))
    after: list[int] = []

    def left(*told: int) -> None:
        if how == "show" or told[0] >= 3:
            after.append(len(ticks))
            raise Left

    watching = {"progress": left} if how == "progress" else {"previews": Previews(300, left)}
    with pytest.raises(Left):
        engine.make(ask(model, 4, steps=1000), **watching)
    until(lambda: engine.load.running <= 1 and engine.load.waiting == 0)
    assert stay()[0].array.shape == (32, 32, 4)
    assert all(tick.rows <= 2 for tick in ticks[after[0] + 2 :])
    assert engine.load.ahead == 0


def test_a_picture_that_fails_fails_alone(engine: Engine, model: Model) -> None:
    def broken(noise: Tensor, seeds: Any) -> Tensor:
        return noise * torch.nan

    well = later(lambda: engine.make(ask(model, 2, steps=6)))
    with pytest.raises(OrnsteinError, match="seed 9 came out as no numbers"):
        engine.make(ask(model, seed=9), imprint=broken)
    for one, other in zip(well(), model.make(ask(model, 2, steps=6)), strict=True):
        assert np.abs(one.array.astype(int) - other.array).max() <= 1
    assert engine.load.failure is None


def test_a_call_of_the_network_that_fails_fails_what_is_in_it(engine: Engine, model: Model) -> None:
    real = engine._worker._network

    def breaks(z: Tensor, logsnr: Tensor, condition: Any) -> Tensor:
        if z.shape[1] == 40:
            raise RuntimeError("out\nof memory")
        return real(z, logsnr, condition)

    engine._worker._network = breaks
    small = later(lambda: engine.make(ask(model, steps=8)))
    large = [later(lambda: engine.make(ask(model, size=40))) for _ in range(2)]
    for wait in large:
        assert isinstance(wait(), OrnsteinError)
        assert str(wait()) == "the network broke down: out of memory"
    assert isinstance(small()[0], Output)
    assert engine.load.failure is None


@pytest.mark.parametrize("dead", [RuntimeError("no more room\nfor numbers"), KeyError("x")])
def test_an_engine_that_breaks_down_tells_everybody(model: Model, dead: Exception) -> None:
    count = 0

    def watch(tick: Tick) -> None:
        nonlocal count
        count += 1
        if count > 3:
            raise dead

    engine = Engine(model, rows=4, watch=watch)
    waiting = [later(lambda: engine.make(ask(model, 2, steps=50))) for _ in range(5)]
    for wait in waiting:
        assert isinstance(wait(), OrnsteinError)
        assert str(wait()).startswith("the engine broke down")
    failure = engine.load.failure
    assert failure is not None
    assert "\n" not in failure
    with pytest.raises(OrnsteinError, match="broke down"):
        engine.make(ask(model))
    with pytest.raises(OverloadedError, match="broke down"):
        engine.admit(1)
    engine.close()


def test_what_a_model_cannot_do_is_refused_before_anything_runs(
    engine: Engine, model: Model, ticks: Ticks
) -> None:
    with pytest.raises(UsageError, match="size 33"):
        engine.make(ask(model, size=33))
    with pytest.raises(UsageError, match="rows must be 1 to"):
        Engine(model, rows=0)
    with pytest.raises(UsageError, match="sources"):
        engine.make(ask(model, 2), sources=[None])
    assert (list(ticks), engine.load.waiting) == ([], 0)
    assert engine.make([]) == []


def test_more_than_can_be_done_in_time_is_refused_at_once(model: Model, ticks: Ticks) -> None:
    engine = Engine(model, rows=8, waiting=40, objective=0.5, watch=ticks)
    engine.make(ask(model, 8, steps=20))  # tells how fast it is
    ticks.free.clear()
    greedy = [later(lambda: engine.make(ask(model, 6, steps=1000), owner="greedy")) for _ in range(5)]
    until(lambda: engine.load.waiting + engine.load.running == 30)
    assert engine.load.ahead > 10
    times: list[float] = []
    for _ in range(200):
        started = time.perf_counter()
        with pytest.raises(OverloadedError, match="s of work lie ahead; ask again in") as refused:
            engine.admit(5, 10**6, owner="greedy")
        times.append(time.perf_counter() - started)
        assert 0 < refused.value.retry_after <= 4 * engine.load.ahead
    assert np.median(times) < 1e-3
    engine.admit(1, 2, owner="modest")  # who gets its share however much the other one wants
    more = later(lambda: engine.make(ask(model, 20, steps=1), owner="greedy"))
    until(lambda: engine.load.waiting + engine.load.running == 50)
    with pytest.raises(OverloadedError, match="pictures wait already"):
        engine.admit(1, 2, owner="modest")
    ticks.free.set()
    engine.close()
    assert all(isinstance(wait(), OrnsteinError) for wait in [*greedy, more])


def test_an_idle_engine_admits_whatever_it_is(engine: Engine) -> None:
    engine.admit(1000, 10**9)


@pytest.mark.parametrize("grace", [0.0, 60.0])
def test_closing_finishes_what_it_has_time_for(model: Model, grace: float) -> None:
    engine = Engine(model, rows=4)
    waiting = [later(lambda: engine.make(ask(model, 3, steps=40))) for _ in range(3)]
    until(lambda: engine.load.waiting + engine.load.running == 9)
    closing = later(lambda: engine.close(grace))
    until(lambda: engine._worker._closing)
    with pytest.raises(OrnsteinError, match="the engine is closed"):
        engine.make(ask(model))
    assert closing() is None
    for wait in waiting:
        if grace:
            assert len(wait()) == 3
        else:
            assert str(wait()) == "the engine is closed"
    engine.close()


def test_many_threads_each_get_their_own(engine: Engine, model: Model) -> None:
    expected = {seed: out.array for seed, out in enumerate(model.make(ask(model, 40, seed=0, steps=2)))}
    wrong: list[int] = []

    def come(first: int) -> None:
        for seed in range(first, first + 40, 7):
            (out,) = engine.make(ask(model, seed=seed % 40, steps=2), owner=str(first % 5))
            if np.abs(out.array.astype(int) - expected[seed % 40]).max() > 1:
                wrong.append(seed)

    threads = [later(lambda first=first: come(first)) for first in range(32)]
    for wait in threads:
        assert wait() is None
    assert not wrong
    load = engine.load
    assert (load.waiting, load.ahead, load.failure) == (0, 0, None)


def test_a_small_call_overtakes_a_large_one(engine: Engine, model: Model) -> None:
    done = [0]
    large = later(
        lambda: engine.make(ask(model, 24, steps=20), progress=lambda so, far: done.__setitem__(0, so))
    )
    until(lambda: done[0] > 10)
    before = done[0]
    engine.make(ask(model, seed=99, steps=4))
    assert done[0] - before < 24 * 20 / 3
    assert len(large()) == 24


def test_what_it_took_adds_up(engine: Engine, model: Model, ticks: Ticks) -> None:
    started = time.perf_counter()
    made = engine.make(ask(model, 12, steps=9))
    took = time.perf_counter() - started
    assert sum(out.spent.evaluations for out in made) == sum(tick.rows for tick in ticks)
    assert all(tick.rows <= tick.bucket <= 8 for tick in ticks)
    assert sum(tick.seconds for tick in ticks) <= sum(out.spent.computed for out in made) <= took * 1.5
    assert made[0].spent.waited < made[-1].spent.waited < took  # four run at once
    assert all(out.spent.waited + out.spent.computed <= took * 1.1 for out in made)


def test_previews_come_in_order_and_come_near() -> None:
    shipped = Model.load("emoji")
    engine = Engine(shipped)
    seen: list[tuple[int, int, np.ndarray]] = []
    wanted = requests("red apple, 3D style", 2, 1, "", shipped.recipe.sampling, steps=8, sampler="dpmpp-2m")
    steps: list[tuple[int, int]] = []
    made = engine.make(
        wanted,
        previews=Previews(3, lambda *told: seen.append(told)),
        progress=lambda *told: steps.append(told),
    )
    engine.close()
    assert steps == sorted(steps)
    assert steps[-1] == (16, 16)
    for which, out in enumerate(made):
        mine = [(number, picture) for other, number, picture in seen if other == which]
        assert [number for number, _ in mine] == [0, 1, 2]
        far = [np.abs(picture.astype(int) - out.array).mean() for _, picture in mine]
        assert far[-1] < min(far[:-1]) / 2
    theirs: dict[tuple[int, int], np.ndarray] = {}
    shipped.make(wanted, previews=Previews(3, lambda *told: theirs.__setitem__(told[:2], told[2])))
    assert len(seen) == len(theirs) == 6
    for which, number, picture in seen:
        assert np.abs(picture.astype(int) - theirs[which, number]).max() <= 1
