"""``ornstein detect``: which layer hit, in words and for machines; nothing found and nothing readable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from ornstein.guard.watermark.code import PUBLIC_KEY, Shading
from ornstein.model import Model
from tests.small import Command, grey, ornstein

__all__ = ["grey", "ornstein"]
SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture with the public mark, its JPEG without any record, one with a secret mark, and one with none."""
    place, fashion = tmp_path_factory.mktemp("pictures"), Model.load("fashion")
    for name, key in (("public", PUBLIC_KEY), ("secret", SECRET)):
        (made,) = fashion.generate("bag", [3], imprint=Shading(key).imprint)
        made.save(place / f"{name}.png")
    with Image.open(place / "public.png") as image:
        image.save(place / "shared.jpg", quality=90)
    Image.new("L", (28, 28), 90).save(place / "plain.png")
    (place / "key").write_bytes(SECRET)
    (place / "broken.png").write_bytes((place / "public.png").read_bytes()[:200])
    return place


def test_mark_and_record_are_named(ornstein: Command, folder: Path):
    said = ornstein("detect", folder / "public.png", "--model", "fashion")
    assert said.code == 0
    assert (
        "watermark: in the noise of fashion" in said.out and "public key, which anybody can use" in said.out
    )
    assert "record: made by fashion with seed 3; not signed" in said.out


def test_a_mark_is_found_without_its_record(ornstein: Command, folder: Path):
    said = ornstein("detect", folder / "shared.jpg", "--model", "fashion", "--json")
    ((row,),) = [json.loads(said.out)]
    assert said.code == 0 and [layer["layer"] for layer in row["layers"]] == ["watermark"]
    assert row["layers"][0]["code"] == Shading(PUBLIC_KEY).code_of(3)
    assert row["layers"][0]["p_value"] < 1e-6


def test_a_secret_mark_needs_its_key(ornstein: Command, folder: Path):
    with_key = ornstein("detect", folder / "secret.png", "--model", "fashion", "--key", folder / "key")
    assert "of the secret key" in with_key.out
    assert "watermark:" not in ornstein("detect", folder / "secret.png", "--model", "fashion").out


def test_absence_is_said_to_prove_nothing(ornstein: Command, folder: Path):
    said = ornstein("detect", folder / "plain.png", "--model", "fashion")
    assert said.code == 1 and "absence proves nothing" in said.out


@pytest.mark.parametrize("name", ["broken.png", "key", "none.png", "."])
def test_what_is_no_picture_is_one_line(ornstein: Command, folder: Path, grey: Path, name: str):
    said = ornstein("detect", folder / name, "--model", grey)
    assert said.code == 1 and said.err.count("\n") == 1 and "Traceback" not in said.err
