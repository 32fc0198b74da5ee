"""Configuration: a wrong key, kind or value is answered in one line that names the right one."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from ornstein.config import Config, as_text, changes, from_text, override, parse
from ornstein.errors import UsageError
from ornstein.process.gaussian import Flow, GaussianPath
from ornstein.process.times import KarrasGrid, ShiftedGrid, TimeGrid


class Training(Config):
    samples: int = Field(default=100, ge=1)
    rate: float = 0.5
    betas: tuple[float, float] = (0.9, 0.99)


class Example(Config):
    name: str = "example"
    mode: Literal["fast", "good"] = "fast"
    training: Training = Training()
    path: GaussianPath = Flow()
    grid: TimeGrid = ShiftedGrid(shift=2.0)
    sizes: tuple[Training, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Example:
        if self.training.samples == 13:
            raise ValueError("13 samples bring bad luck")
        return self


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nmae": "x"}, "unknown key 'nmae'; did you mean 'name'?"),
        ({"training": {"sample": 3}}, "unknown key 'training.sample'; did you mean 'samples'?"),
        ({"path": {"kind": "linear-beta", "beta_mim": 1}}, "did you mean 'beta_min'?"),
        ({"grid": {"kind": "karras", "roh": 1}}, "did you mean 'rho'?"),
        ({"grid": {"kind": "karas"}}, "unknown grid.kind 'karas'; did you mean 'karras'?"),
        ({"sizes": [{"samplse": 1}]}, "unknown key 'sizes.0.samplse'; did you mean 'samples'?"),
        ({"zzzzzz": 1}, "known: grid, mode, name, path, sizes, training"),
        (
            {"training": {"samples": 0}},
            "training.samples: Input should be greater than or equal to 1 (got 0)",
        ),
        ({"training": {"samples": "many"}}, "training.samples: "),
        ({"training": {"rate": float("nan")}}, "training.rate: "),
        ({"mode": "best"}, "mode: Input should be 'fast' or 'good' (got 'best')"),
        ({"training": {"samples": 13}}, "13 samples bring bad luck"),
        ({"path": {}}, "path: "),
    ],
)
def test_mistakes_are_answered_in_one_line(values, message):
    with pytest.raises(UsageError) as caught:
        parse(Example, values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 160


def test_sections_are_frozen_and_survive_json():
    example = parse(Example, {"grid": {"kind": "karras", "rho": 5}, "sizes": [{"samples": 2}]})
    with pytest.raises(ValidationError):
        example.name = "other"  # type: ignore[misc]
    assert Example.model_validate_json(example.model_dump_json()) == example


def test_settings_are_applied_in_order_and_the_rest_stays():
    before = Example()
    after = override(before, ["training.samples=7", "name=my run", "mode=good", "training.betas=[0.8, 0.9]"])
    assert (after.training.samples, after.name, after.mode) == (7, "my run", "good")
    assert (after.training.betas, after.training.rate) == ((0.8, 0.9), 0.5)
    assert before == Example()


def test_another_kind_starts_from_its_own_defaults():
    after = override(Example(), ["grid.kind=karras", "grid.rho=5"])
    assert after.grid == KarrasGrid(rho=5)


def test_the_same_kind_keeps_what_was_set():
    assert override(Example(), ["grid.kind=shifted"]).grid == ShiftedGrid(shift=2.0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.samples", "--set takes path=value, not 'training.samples'"),
        ("trianing.samples=3", "unknown key 'trianing'; did you mean 'training'?"),
        ("training.sample=3", "unknown key 'training.sample'; did you mean 'samples'?"),
        ("name.first=3", "'name' is a value, not a section; set it whole"),
        ("name.first.letter=3", "'name' is a value, not a section; set it whole"),
        ("sizes.0.samples=3", "'sizes' is a value, not a section; set it whole"),
        ("training.rate=NaN", "training.rate: "),
        ("training.samples=1.5", "training.samples: "),
        ("grid.kind=karas", "did you mean 'karras'?"),
        ("grid.rho=5", "unknown key"),
        ("=3", "unknown key ''"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(setting, message):
    with pytest.raises(UsageError) as caught:
        override(Example(), [setting])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_changes_are_what_differs_from_the_defaults_and_every_kind():
    assert changes(Example()) == {}
    other = override(Example(), ["grid.kind=karras", "training.rate=0.1", 'sizes=[{"samples":3}]'])
    assert changes(other) == {
        "grid": {"kind": "karras"},
        "training": {"rate": 0.1},
        "sizes": ({"samples": 3},),
    }
    assert changes(ShiftedGrid()) == {"kind": "shifted"}


@pytest.mark.parametrize("grid", [KarrasGrid(), KarrasGrid(rho=3.5, sigma_min=0.25), ShiftedGrid(shift=2.0)])
def test_a_variant_as_text_is_the_variant(grid):
    assert parse(Example, {"grid": from_text(as_text(grid))}).grid == grid


def test_the_text_of_a_variant_is_short():
    assert as_text(KarrasGrid()) == "karras"
    assert as_text(KarrasGrid(rho=3.5)) == "karras:rho=3.5"
    assert from_text({"kind": "karras"}) == {"kind": "karras"}
    with pytest.raises(ValueError, match="write karras:name=value, not '3.5' alone"):
        from_text("karras:3.5")
