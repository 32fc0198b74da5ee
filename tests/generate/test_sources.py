"""Pictures made from pictures: what stays stays, what a replay needs is named, and watching changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ornstein.control.source import Source
from ornstein.drawing import Previews, Spent
from ornstein.errors import OrnsteinError, UsageError
from ornstein.model import Model
from ornstein.output import Output, read
from ornstein.record import Record
from ornstein.request import Request, requests

SIDE = 32


def asked(model: Model, count: int = 1, **settings: Any) -> list[Request]:
    return requests(["cat"] * count, 1, list(range(count)), "", model.recipe.sampling, **settings)


def picture(model: Model, seed: int = 50) -> np.ndarray:
    return model.generate("dog", seeds=seed)[0].array


def right_half() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, SIDE // 2 :] = True
    return mask


def distance(one: Output, other: np.ndarray) -> float:
    return float(np.abs(one.array.astype(int) - other).mean())


def test_masked_pixels_stay_to_the_bit_and_others_change(model: Model) -> None:
    before, mask = picture(model), right_half()
    (made,) = model.make(asked(model), sources=[Source(before, mask, 1.0)])
    assert np.array_equal(made.array[~mask], before[~mask])
    assert not np.array_equal(made.array[mask], before[mask])


def test_the_weaker_the_nearer(model: Model) -> None:
    before = picture(model)
    strengths = (0.1, 0.3, 0.6)
    made = model.make(
        asked(model, 3, steps=10), sources=[Source(before, strength=share) for share in strengths]
    )
    off = [distance(one, before) for one in made]
    assert off == sorted(off)


def test_at_full_strength_without_a_mask_it_is_the_picture_of_its_noise(model: Model) -> None:
    (made,) = model.make(asked(model), sources=[Source(picture(model), strength=1.0)])
    (plain,) = model.make(asked(model))
    assert np.abs(made.array.astype(int) - plain.array).max() <= 1


def test_a_picture_does_not_depend_on_what_others_start_from(model: Model) -> None:
    sources = [
        Source(picture(model, 60), None, 0.5),
        None,
        Source(picture(model, 61), right_half(), 0.5),
        None,
    ]
    wanted = asked(model, 4, steps=6)
    together = model.make(wanted, sources=sources)
    for one, source, found in zip(wanted, sources, together, strict=True):
        (alone,) = model.make([one], sources=[source])
        assert np.abs(alone.array.astype(int) - found.array).max() <= 1


def test_replay_needs_the_very_source(model: Model, bundle: Path, tmp_path: Path) -> None:
    source = Source(picture(model), right_half(), 0.7)
    made = model.make(asked(model, 3, steps=5), sources=[source, None, None])
    loaded = Model.load(bundle)
    for k, out in enumerate(made):
        _, record = read(out.save(tmp_path / f"{k}.png"))
        again = loaded.replay(record, source=None if k else source)
        assert np.array_equal(again.array, out.array)
        assert again.record == record
    _, record = read(tmp_path / "0.png")
    with pytest.raises(OrnsteinError, match="--source"):
        loaded.replay(record)
    with pytest.raises(OrnsteinError, match="not the source"):
        loaded.replay(record, source=Source(source.picture, source.mask, 0.8))
    with pytest.raises(OrnsteinError, match="noise alone"):
        loaded.replay(read(tmp_path / "1.png")[1], source=source)


def test_a_record_without_a_source_is_what_it_was(model: Model) -> None:
    (made,) = model.make(asked(model))
    assert "source" not in made.record.model_dump()
    assert Record.model_validate_json(made.record.model_dump_json()) == made.record


@pytest.mark.parametrize(
    ("given", "settings", "words"),
    [
        (Source(np.zeros((16, 16, 4), np.uint8)), {}, "needs 32 x 32"),
        (Source(np.zeros((SIDE, SIDE, 3), np.uint8)), {}, "of 3 channels"),
        (Source(np.zeros((SIDE, SIDE, 4), np.uint8)), {"compose": True}, "composed"),
        (Source(np.zeros((SIDE, SIDE, 4), np.uint8)), {"reuse": 2}, "reuse"),
    ],
)
def test_what_cannot_start_from_a_picture_is_refused_before_anything_runs(
    model: Model, given: Source, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        model.make(asked(model, **settings), sources=[given], progress=lambda *k: pytest.fail("it ran"))


def test_previews_come_in_order_and_change_nothing(model: Model) -> None:
    seen: list[tuple[int, int]] = []
    wanted = asked(model, 3, steps=8)
    watched = model.make(wanted, previews=Previews(3, lambda k, number, guess: seen.append((k, number))))
    assert sorted(seen) == [(k, number) for k in range(3) for number in range(3)]
    for one, other in zip(watched, model.make(wanted), strict=True):
        assert np.array_equal(one.array, other.array)


@pytest.mark.parametrize(
    ("count", "steps", "after"), [(3, 8, (2, 4, 6)), (3, 2, (1,)), (2, 1, ()), (0, 5, ())]
)
def test_previews_are_spread_over_the_steps(count: int, steps: int, after: tuple[int, ...]) -> None:
    assert Previews(count, lambda *k: None).after(steps) == after


@pytest.mark.parametrize("where", ["progress", "previews"])
def test_whoever_watches_can_stop_the_work(model: Model, where: str) -> None:
    class EnoughError(Exception):
        pass

    def stop(*told: Any) -> None:
        if where == "previews" or told[0] == 2:
            raise EnoughError

    watching = {"progress": stop} if where == "progress" else {"previews": Previews(1, stop)}
    with pytest.raises(EnoughError):
        model.make(asked(model, 2, steps=5), **watching)


@pytest.mark.parametrize(
    ("settings", "evaluations"),
    [
        ({"steps": 4, "guidance": 1.0}, 4),
        ({"steps": 4, "guidance": 3.0, "sampler": "ddim"}, 8),
        ({"steps": 4, "guidance": 1.0, "sampler": "heun"}, 7),  # none at clean data
    ],
)
def test_evaluations_are_counted_for_each_picture(
    model: Model, settings: dict[str, Any], evaluations: int
) -> None:
    always = model.recipe.sampling.model_copy(update={"interval": (0.0, 1.0)})
    whole = Model(model.recipe.model_copy(update={"sampling": always}), model.network, model.encoder)
    for out in whole.make(asked(whole, 3, **settings)):
        assert out.spent.evaluations == evaluations
        assert out.spent.computed > 0


def test_what_was_spent_adds_up() -> None:
    assert Spent(1, 2.0, 3.0, 4.0) + Spent(10, 20.0, 30.0, 40.0) == Spent(11, 22.0, 33.0, 44.0)
