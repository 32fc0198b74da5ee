"""A model that makes the like of what it made has not drifted; one that makes something else has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ornstein.errors import OrnsteinError
from ornstein.evaluate.estimate import of_mean
from ornstein.serve.monitor.drift import Drift, Refusals, looked_at, shift
from ornstein.serve.monitor.reference import Reference

PRINT = "f" * 64


class Colours:
    """A feature network that sees mean colours and their spread; it stands for a slow one."""

    name, key, width = "colours", "colours-1", 8

    def __call__(self, pictures: np.ndarray, /) -> Tensor:
        x = torch.from_numpy(pictures.astype(np.float32) / 255)
        return torch.cat([x.mean((1, 2)), x.std((1, 2))], 1)


def pictures(count: int, seed: int, red: float = 0.0, side: int = 12) -> list[np.ndarray]:
    """Noise before a colour of each picture's own, which is shifted towards red."""
    random = np.random.default_rng(seed)
    base = random.normal(120, 30, (count, 1, 1, 4)) + np.array([red, 0, 0, 0])
    return list((base + random.normal(0, 20, (count, side, side, 4))).clip(0, 255).astype(np.uint8))


def reference(count: int = 400) -> Reference:
    return Reference(
        torch.stack(looked_at(Colours(), pictures(count, 1))), Colours.key, PRINT, "test", 1000, 20
    )


def measured(drift: Drift, shown: list[np.ndarray]):
    for picture in shown:
        drift.add(picture)
        drift.settle()  # the test is in no hurry; a full queue would leave some out
    return drift.measure()


def test_without_drift_the_interval_holds_zero_and_with_it_does_not():
    base = reference()
    same = measured(Drift(base, Colours(), share=1.0), pictures(300, 2))
    assert same.low < 0 < same.high and same.count == 300
    slight = measured(Drift(base, Colours(), share=1.0), pictures(300, 3, red=25))
    strong = measured(Drift(base, Colours(), share=1.0), pictures(300, 4, red=80))
    assert slight.low > 0 and slight.high < strong.low
    assert base.spread().low < 0 < base.spread().high


def test_how_often_it_cries_wolf():
    """Forty measurements without drift: their 95% intervals hold zero about as often as they say."""
    base = reference()
    found = [
        base.distance(torch.stack(looked_at(Colours(), pictures(150, seed)))) for seed in range(100, 140)
    ]
    assert sum(each.low <= 0 <= each.high for each in found) >= 33


def test_old_pictures_are_forgotten():
    drift = Drift(reference(), Colours(), share=1.0, window=100)
    measured(drift, pictures(100, 2, red=80))
    back = measured(drift, pictures(100, 3))
    assert back.count == 100 and back.low < 0 < back.high
    drift.close()


def test_few_pictures_say_nothing_yet():
    drift = Drift(reference(), Colours(), share=1.0)
    assert measured(drift, pictures(63, 2)) is None
    assert measured(drift, pictures(1, 3)) is not None
    assert measured(Drift(reference(), Colours(), share=0.0), pictures(80, 2)) is None


def test_a_slow_look_holds_nobody_up():
    import threading
    import time

    going = threading.Event()

    class Slow(Colours):
        def __call__(self, pictures: np.ndarray, /) -> Tensor:
            going.wait(30)
            return super().__call__(pictures)

    drift = Drift(reference(), Slow(), share=1.0)
    shown = pictures(500, 2)
    started = time.perf_counter()
    for picture in shown:
        drift.add(picture)
    assert time.perf_counter() - started < 10  # nothing waited, and most were left out
    going.set()
    drift.close()


def test_pictures_of_several_sizes_are_looked_at_in_their_order_of_size():
    mixed = pictures(3, 1, side=8) + pictures(3, 2, side=12)
    found = torch.stack(looked_at(Colours(), [mixed[0], mixed[3], mixed[1], mixed[4]]))
    apart = torch.stack([Colours()(np.stack([mixed[k]]))[0] for k in (0, 1, 3, 4)])
    assert torch.equal(found, apart)


def test_a_reference_comes_back_and_is_bound_to_its_model(tmp_path: Path):
    file, base = tmp_path / "deep" / "r.safetensors", reference()
    base.save(file)
    found = Reference.read(file, PRINT, Colours.key)
    assert torch.equal(found.features, base.features)
    assert (found.source, found.asked, found.refused) == ("test", 1000, 20)
    for fingerprint, network, message in (
        ("0" * 64, Colours.key, "another model"), (PRINT, "other", "other features"),
    ):  # fmt: skip
        with pytest.raises(OrnsteinError, match=message):
            Reference.read(file, fingerprint, network)


def test_a_damaged_reference_is_told_in_one_line(tmp_path: Path):
    file = tmp_path / "r.safetensors"
    with pytest.raises(OrnsteinError, match="ornstein drift reference"):
        Reference.read(file, PRINT, Colours.key)
    reference().save(file)
    whole = file.read_bytes()
    for content in (
        b"",
        whole[:100],
        whole[:-100],
        b"\xff" * 64,
        whole.replace(b"fingerprint", b"fingerprimt"),
    ):
        file.write_bytes(content)
        with pytest.raises(OrnsteinError, match="is no reference") as caught:
            Reference.read(file, PRINT, Colours.key)
        assert "\n" not in str(caught.value)
    with pytest.raises(OrnsteinError, match="at least 64"):
        Reference(torch.zeros(3, 8), Colours.key, PRINT, "test").save(file)


def test_a_rise_of_refusals_shows_against_the_reference():
    refusals = Refusals(window=500)
    assert refusals.share() is None
    for k in range(2000):
        refusals.add(k % 50 == 0)  # as before
    usual = shift(refusals.share(), reference())
    assert refusals.share().count == 500 and usual.low < 0 < usual.high
    for k in range(500):
        refusals.add(k % 5 == 0)
    more = shift(refusals.share(), reference())
    assert more.low > 0 and more.value == pytest.approx(0.18)
    golden = Reference(torch.zeros(64, 8), "", PRINT, "golden")
    assert shift(of_mean(np.array([True])), golden) is None
