"""A picture is the same alone and in any mix: whatever else the engine makes, whenever it comes and goes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from ornstein.control.source import Source
from ornstein.model import Model
from ornstein.output import Output
from ornstein.request import Request, requests
from ornstein.sample.registry import METHODS
from ornstein.serve.engine.engine import Engine
from ornstein.serve.engine.gather import Tick
from tests.small import bundle, grey, model

__all__ = ["bundle", "grey", "model"]

pytestmark = pytest.mark.filterwarnings("ignore:this model was trained")

PROMPTS = ("cat", "a very long prompt that is cut off after eight tokens", "red apple, 3D style", "x")


def asked(model: Model, count: int, seed: int = 0) -> list[Request]:
    """Requests of every kind that a model can be asked, in random order."""
    draw, made = random.Random(seed), list[Request]()
    while len(made) < count:
        settings = {
            "steps": draw.randint(1, 6), "guidance": draw.choice([1.0, 3.0, 0.0]),
            "sampler": draw.choice(list(METHODS)), "size": draw.choice([32, 32, 40]),
            "rule": draw.choice(["straight", "rescaled", "zero-star"]),
            "schedule": draw.choice(["constant", "linear"]),
        }  # fmt: skip
        prompt, kind = draw.choice(PROMPTS), draw.choice(["plain", "plain", "composed", "negative", "reuse"])
        if kind == "composed":
            prompt, settings["compose"] = draw.choice(["cat AND dog", "[a|b] NOT red:0.3", "cat:0.5"]), True
        if kind == "reuse":
            settings["reuse"] = 2
        negative = "blue" if kind == "negative" else ""
        made += requests(prompt, 1, draw.randrange(1000), negative, model.recipe.sampling, **settings)
    return made


def arriving(engine: Engine, wanted: Sequence[Request]) -> list[Output]:
    """The pictures, each asked for in a thread of its own that comes when it likes."""
    outputs: dict[int, Output] = {}
    draw = random.Random(0)

    def come(which: int, after: float) -> None:
        time.sleep(after)
        outputs[which] = engine.make([wanted[which]], owner=str(which % 3))[0]

    threads = [threading.Thread(target=come, args=(k, draw.random() / 2)) for k in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outputs[which] for which in range(len(wanted))]


def alone(engine: Engine, wanted: Sequence[Request]) -> list[Output]:
    return [engine.make([request])[0] for request in wanted]


@pytest.fixture
def deterministic(model: Model) -> Iterator[Engine]:
    engine = Engine(model, rows=6, deterministic=True)
    yield engine
    engine.close()


@pytest.fixture
def engine(model: Model) -> Iterator[Engine]:
    engine = Engine(model, rows=6)
    yield engine
    engine.close()


@pytest.fixture
def unrounded(model: Model, monkeypatch: pytest.MonkeyPatch) -> Model:
    """The model in float32, where the number of rows of a product does change bits, and before they become bytes."""
    monkeypatch.setattr(model, "dtype", torch.float32)
    monkeypatch.setattr(model, "decode", lambda x, dtype: x.numpy())
    return model


@pytest.mark.parametrize("deterministic", [True, False])
def test_company_changes_no_bit_in_one_bucket_and_little_in_many(
    unrounded: Model, deterministic: bool
) -> None:
    engine = Engine(unrounded, rows=6, deterministic=deterministic)
    wanted = asked(unrounded, 24, 1)
    together, single = arriving(engine, wanted), alone(engine, wanted)
    engine.close()
    span = max(np.abs(out.array).max() for out in single)
    for one, other in zip(together, single, strict=True):
        if deterministic:
            assert np.array_equal(one.array, other.array), one.record.request
        else:
            assert np.abs(one.array - other.array).max() <= 1e-3 * span, one.record.request


def test_how_many_rows_a_product_has_changes_bits_and_company_within_it_does_not(
    model: Model,
) -> None:
    """What buckets rest on; where the first were not so any more, one bucket would be as good as many."""
    with torch.inference_mode():
        network = model.denoiser(dtype=torch.float32).network
        told = model.encoder.encode(list(PROMPTS) * 2)
        z = torch.randn(8, 32, 32, 4, generator=torch.Generator().manual_seed(0))
        logsnr = torch.linspace(-6, 6, 8)

        def answers(rows: list[int]) -> torch.Tensor:
            index = torch.tensor(rows)
            return network(z[index], logsnr[index], told.select(index))

        full = answers([0, 1, 2, 3, 4, 5, 6, 7])
        assert torch.equal(answers([7, 6, 5, 4, 3, 2, 1, 0]).flip(0), full)
        assert torch.equal(answers([0, 0, 0, 3, 0, 0, 0, 0])[3], full[3])
        torch.testing.assert_close(answers([3])[0], full[3], rtol=1e-4, atol=1e-4)


def test_padding_of_prompts_changes_no_bit_of_bfloat16_where_processors_multiply_it() -> None:
    """So the engine leaves it out; data tokens stand before the condition's, and their sums begin alike."""
    shipped = Model.load("emoji")
    if shipped.dtype != torch.bfloat16:
        pytest.skip("this processor computes in float32")
    with torch.inference_mode():
        network = shipped.denoiser().network
        told = shipped.encoder.encode(["red apple, 3D style", "", "cat"])
        z = torch.randn(3, 64, 64, 4, generator=torch.Generator().manual_seed(0))
        logsnr = torch.tensor([-4.0, 0.0, 4.0])
        assert told.trimmed().mask.shape < told.mask.shape
        assert torch.equal(network(z, logsnr, told.trimmed()), network(z, logsnr, told))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_with_many_buckets_a_picture_is_that_of_the_model_itself(
    model: Model, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(model, "dtype", dtype)
    engine = Engine(model, rows=6)
    wanted = asked(model, 24, 3)
    together, theirs = arriving(engine, wanted), [model.make([request])[0] for request in wanted]
    engine.close()
    for one, other in zip(together, theirs, strict=True):
        assert np.abs(one.array.astype(int) - other.array).max() <= 1, one.record.request
        assert one.spent.evaluations == other.spent.evaluations, one.record.request
        assert one.record.request == other.record.request


def test_requests_differ_and_so_do_their_pictures(deterministic: Engine, model: Model) -> None:
    """Or the tests above would hold of an engine that mixes them up in the same way each time."""
    seen = {out.array.tobytes() for out in deterministic.make(asked(model, 12, 5))}
    assert len(seen) == 12


def test_what_a_deterministic_engine_made_replays_to_the_same_bits(
    bundle: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "dtype", torch.float32)
    engine = Engine(model, rows=6, deterministic=True)
    made = arriving(engine, asked(model, 12, 7))
    engine.close()
    assert {out.record.computation.bucket for out in made} == {6, None}  # one alone, where it reuses blocks
    again = Model.load(bundle)
    for out in made:
        replayed = again.replay(out.record)
        assert np.array_equal(replayed.array, out.array)
        assert replayed.record == out.record


def test_pictures_made_from_others_are_those_of_the_model_itself(model: Model, engine: Engine) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 4), np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[:16] = True
    given = [Source(picture, None, 0.5), Source(picture, mask, 1.0), None, Source(picture, mask, 0.4)]
    wanted = requests("cat", 4, 1, "", model.recipe.sampling, steps=5, sampler="dpmpp-2m")
    seen: list[tuple[int, int]] = []
    mine = engine.make(wanted, sources=given, progress=lambda done, of: seen.append((done, of)))
    theirs = model.make(wanted, sources=given)
    for one, other in zip(mine, theirs, strict=True):
        assert np.abs(one.array.astype(int) - other.array).max() <= 1
        assert one.record.source == other.record.source
        assert one.spent.evaluations == other.spent.evaluations
    assert np.array_equal(mine[1].array[16:], picture[16:])
    assert not np.array_equal(mine[1].array[:16], picture[:16])
    assert seen[-1] == (2 + 5 + 5 + 2, 2 + 5 + 5 + 2)


def test_the_shipped_model_in_a_mix_is_the_shipped_model_alone() -> None:
    shipped = Model.load("emoji")
    ask = shipped.recipe.sampling
    wanted = [
        *requests("red apple, 3D style", 2, 1, "", ask, steps=4),
        *requests("an owl", 1, 7, "dark", ask, steps=6, sampler="heun", guidance=2.0),
        *requests("cat AND hat", 1, 3, "", ask, steps=3, compose=True),
        *requests("a tree", 1, 3, "", ask, steps=3, guidance=1.0, sampler="ddpm"),
    ]
    engine = Engine(shipped, rows=8, deterministic=True)
    together, single = arriving(engine, wanted), alone(engine, wanted)
    engine.close()
    for one, other in zip(together, single, strict=True):
        assert np.array_equal(one.array, other.array)
    for one, other in zip(together, shipped.make(wanted), strict=True):
        assert np.abs(one.array.astype(int) - other.array).max() <= 1


def test_an_engine_of_classes_makes_grey_pictures(grey: Path) -> None:
    classes = Model.load(grey)
    engine = Engine(classes)
    wanted = requests(["coat", "bag", "ankle boot"], 2, 1, "", classes.recipe.sampling)
    for one, other in zip(engine.make(wanted), classes.make(wanted), strict=True):
        assert np.abs(one.array.astype(int) - other.array).max() <= 1
    engine.close()


@pytest.fixture
def two_cores() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("deterministic", [True, False])
def test_crews_make_the_same_pictures_and_each_goes_on_with_its_own(
    model: Model, deterministic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices so short that pictures stand in line again and again: a sampler cannot go on in another thread."""
    monkeypatch.setattr("ornstein.serve.engine.queue.SLICE", 3)
    calls: list[Tick] = []
    engine = Engine(model, rows=16, deterministic=deterministic, watch=calls.append)
    wanted = asked(model, 16, 11)
    together, theirs = arriving(engine, wanted), [model.make([request])[0] for request in wanted]
    engine.close()
    for one, other in zip(together, theirs, strict=True):
        assert np.abs(one.array.astype(int) - other.array).max() <= 1, one.record.request
        assert one.record.computation.threads == 1
    assert max(call.rows for call in calls) <= 8


@pytest.mark.usefixtures("two_cores")
def test_pictures_of_one_call_are_shared_among_crews(model: Model) -> None:
    callers: dict[int, int] = {}

    def watch(tick: Tick) -> None:
        who = threading.get_ident()
        callers[who] = callers.get(who, 0) + tick.rows

    engine = Engine(model, rows=16, watch=watch)
    engine.make(requests("cat", 8, 1, "", model.recipe.sampling, steps=12))
    engine.close()
    assert len(callers) == 2
    assert min(callers.values()) > 0.3 * sum(callers.values())
