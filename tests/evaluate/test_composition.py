"""Checks by program see what a person sees in drawn shapes, and what is missing from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ornstein.evaluate import colours
from ornstein.evaluate.composition import KINDS, composition, pieces
from ornstein.evaluate.estimate import Estimate
from ornstein.evaluate.report import sweep_plots
from ornstein.evaluate.samples import Settings
from ornstein.evaluate.sweep import Point, Sweep, recommended, settled

RGB = {"red": (220, 40, 50), "blue": (50, 110, 210), "yellow": (250, 210, 60), "green": (60, 160, 70)}


def discs(*names: str) -> np.ndarray:
    """Separate discs of these colours on a transparent ground, (64, 64, 4) premultiplied."""
    picture = np.zeros((64, 64, 4), np.uint8)
    y, x = np.mgrid[:64, :64]
    for k, name in enumerate(names):
        inside = (x - 12 - 20 * (k % 3)) ** 2 + (y - 16 - 30 * (k // 3)) ** 2 < 64
        picture[inside] = (*RGB[name], 255)
    return picture


def test_colours_are_named_as_people_name_them() -> None:
    for name in RGB:
        assert colours.shares(discs(name))[name] == pytest.approx(1.0)
    assert colours.shows(discs("red", "blue"), ["red", "blue"])
    assert not colours.shows(discs("red", "red"), ["red", "blue"])
    assert sum(colours.shares(discs()).values()) == 0.0
    assert colours.named("Gray cat, blue hat, redder") == ["grey", "blue"]


def test_lab_of_known_colours() -> None:
    """White is L = 100; sRGB red is (53.2, 80.1, 67.2) in every table."""
    lab = colours.to_lab(np.array([[255.0, 255, 255], [255, 0, 0]]))
    np.testing.assert_allclose(lab, [[100, 0, 0], [53.2, 80.1, 67.2]], atol=0.15)


def test_pieces_are_counted_and_specks_are_not() -> None:
    picture = discs("red", "red", "blue", "green")
    picture[63, 63] = 255
    assert pieces(picture) == 4
    assert pieces(discs()) == 0


def test_kinds_without_things_need_no_scorer_and_right_pictures_pass() -> None:
    count = {"two": 2, "three": 3, "four": 4, "five": 5}

    def right(prompts: list[str], seeds: list[int]) -> np.ndarray:
        return np.stack([discs(*["red"] * count.get(prompt.split()[0], 0)) for prompt in prompts])

    found = composition(right, None, ())  # type: ignore[arg-type]
    assert set(found) == {"two colours, each on its thing", "a number"}
    assert found["a number"].value == 1.0
    assert found["a number"].count == 4 * len(KINDS["a number"])
    assert found["two colours, each on its thing"].value == 0.0


def point(distance: float, alignment: float | None = None, spread: float = 0.0, **changes: object) -> Point:
    values = {"steps": 20, "guidance": 3.0, "sampler": "ddim", "size": 64, **changes}
    far = Estimate(distance, distance - spread, distance + spread, 9)
    shown = None if alignment is None else Estimate(alignment, alignment, alignment, 9)
    return Point(Settings(**values), far, shown)  # type: ignore[arg-type]


def test_the_cheapest_setting_close_to_the_best_is_recommended() -> None:
    guided = (point(3.0, guidance=1.0), point(1.0, guidance=2.0), point(2.0, guidance=4.5))
    methods = (
        point(1.0, steps=40), point(1.04, steps=10), point(1.2, steps=6), point(1.01, steps=10, sampler="heun"),
    )  # fmt: skip
    chosen = recommended(guided, methods, None, guided[0].settings)
    assert (chosen.guidance, chosen.sampler, chosen.steps) == (2.0, "ddim", 10)
    assert all(chart.startswith("<svg") for chart in sweep_plots(Sweep(guided, methods, 9, chosen)))


def test_distances_below_zero_are_compared_like_others() -> None:
    """KID has no bias, so that of a good model may come out negative."""
    methods = (point(-1.2, steps=5), point(-1.04, steps=10), point(-1.0, steps=20), point(-1.0, steps=40))
    assert [p.settings.steps for p in settled(methods)] == [10, 20, 40]
    assert recommended(methods[:1], methods, None, methods[0].settings).steps == 10


def test_errors_that_pass_for_texture_are_not_recommended() -> None:
    """Five steps of Heun were nearer to real than forty, and full of blotches."""
    methods = (
        point(0.4, steps=5),
        point(0.94, steps=8),
        point(0.96, steps=10),
        point(1.1, steps=20),
        point(1.0, steps=40),
    )
    assert [p.settings.steps for p in settled(methods)] == [10, 20, 40]
    assert recommended(methods[:1], methods, None, methods[0].settings).steps == 10


def test_guidance_is_as_aligned_as_real_pictures_where_its_distance_allows() -> None:
    methods = (point(1.0),)
    guided = (
        point(1.0, 0.3, 0.2, guidance=1.5), point(1.3, 0.5, 0.2, guidance=3.0), point(1.9, 0.7, 0.2, guidance=6.0),
    )  # fmt: skip
    for real, wanted in ((0.2, 1.5), (0.45, 3.0), (0.6, 3.0)):  # 6 is farther beyond chance
        chosen = recommended(guided, methods, Estimate(real, real, real, 9), guided[0].settings)
        assert chosen.guidance == wanted


def test_guidance_is_near_to_real_for_the_network_that_knows_such_pictures_too() -> None:
    """Few pictures leave the first network unsure; the model's own sees at once that no guidance is too little."""
    own = (Estimate(8.0, 7.0, 9.0, 9), Estimate(1.5, 0.5, 2.5, 9))
    guided = tuple(
        replace(point(1.0, 0.6, 0.3, guidance=scale), own=kid)
        for scale, kid in zip((1.0, 3.0), own, strict=True)
    )
    real = Estimate(0.5, 0.5, 0.5, 9)
    assert recommended(guided, (point(1.0),), real, guided[0].settings).guidance == 3.0
    unsure = tuple(replace(each, own=None) for each in guided)
    assert recommended(unsure, (point(1.0),), real, guided[0].settings).guidance == 1.0
