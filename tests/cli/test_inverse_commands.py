"""``ornstein invert`` and ``ornstein likelihood``: what they write and say, and hostile pictures in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from ornstein.data.pack import Pack
from ornstein.inverse import from_noise
from ornstein.model import Model
from tests.small import Command, random_model
from tests.train.conftest import make_pack, tiny_recipe


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def picture(name: str, size: int = 28, mode: str = "L", seed: int = 0) -> Path:
    shape = (size, size) if mode == "L" else (size, size, 4)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(name)
    return Path(name)


def test_noise_and_picture_are_written_with_what_made_them(ornstein: Command, grey: Path) -> None:
    picture("a.png")
    picture("b.png", seed=1)
    said = ornstein(
        "invert",
        "a.png",
        "b.png",
        "--model",
        grey,
        "--prompt",
        "coat",
        "--prompt",
        "bag",
        "--steps",
        3,
        "--json",
    )
    assert said.code == 0, said
    facts = json.loads(said.out)
    model = Model.load(grey)
    for line, prompt in zip(facts["pictures"], ("coat", "bag"), strict=True):
        with safe_open(line["noise"], "pt") as held:
            noise, record = held.get_tensor("noise"), json.loads(held.metadata()["ornstein"])
        assert model.bundle is not None
        assert record["model"] == {"name": "grey", "fingerprint": model.bundle.fingerprint}
        assert (record["prompt"], record["steps"], record["sampler"]) == (prompt, 3, "heun")
        with Image.open(line["picture"]) as given, Image.open(line["back"]) as back:
            off = np.asarray(given).astype(float) - np.asarray(back)
        assert line["rms"] == pytest.approx(np.sqrt((off**2).mean()), abs=1e-3)
        assert line["largest"] == np.abs(off).max()
        assert line["psnr"] == pytest.approx(20 * np.log10(255 / line["rms"]), abs=0.02)
        again = from_noise(model, noise[None], prompt, steps=3)[0, ..., 0]
        np.testing.assert_allclose(again.astype(int), np.asarray(Image.open(line["back"])), atol=1)


def test_what_is_done_to_a_picture_is_said(ornstein: Command, grey: Path, bundle: Path) -> None:
    picture("large.png", 40, "RGBA")
    said = ornstein("invert", "large.png", "--model", grey, "--steps", 1)
    assert said.code == 0
    assert "note: large.png is 40 x 40: it was fitted into 28 x 28" in said.err
    assert "note: large.png is not plain grey" in said.err
    plain = ornstein("invert", picture("plain.png"), "--model", grey, "--steps", 1)
    assert "note" not in plain.err
    assert "plain.png" in plain.out
    assert "note" not in ornstein("invert", picture("c.png", 32, "RGBA"), "--model", bundle, "--steps", 1).err


def test_hostile_pictures_are_one_line_and_nothing_is_written(ornstein: Command, grey: Path) -> None:
    good = picture("good.png")
    Path("cut.png").write_bytes(good.read_bytes()[:200])
    Path("text.png").write_text("no picture")
    Path("folder").mkdir()
    frames = [Image.fromarray(np.full((28, 28), k * 90, np.uint8)) for k in range(3)]
    frames[0].save("moving.gif", save_all=True, append_images=frames[1:])
    Image.new("1", (10_000, 10_000)).save("bomb.png")
    known = sorted(Path().iterdir())
    for name, message in (
        ("cut.png", "not a readable picture"),
        ("text.png", "not a readable picture (none of PNG"),
        ("moving.gif", "an animation of 3 frames"),
        ("bomb.png", "megapixels"),
        ("folder", "no such file"),
        ("nothing.png", "no such file"),
    ):
        for verb in (("invert", good, name, "--model", grey), ("likelihood", grey, good, name)):
            said = ornstein(*verb)
            assert (said.code, said.out) == (1, ""), said
            assert len(said.err.splitlines()) == 1
            assert name in said.err
            assert message in said.err
    assert sorted(Path().iterdir()) == known


def test_what_invert_refuses(ornstein: Command, grey: Path) -> None:
    Path("sub").mkdir()
    picture("a.png")
    picture("sub/a.png")
    Path("b-back.png").write_text("mine")
    picture("b.png")
    known = sorted(Path().rglob("*"))
    cases: list[tuple[list[object], str]] = [
        (["a.png", "sub/a.png"], "two pictures are called a"),
        (["b.png"], "b-back.png exists already"),
        (["a.png", "--sampler", "ddpm"], "these can: heun, dpmpp-2s, ddim"),
        (["a.png", "--prompt", "coat", "--prompt", "bag"], "1 pictures need one prompt or 1, not 2"),
        (["a.png", "--prompt", "coats"], "did you mean 'coat'"),
        (["a.png", "--steps", 0], "steps must be 1 to 1000"),
    ]
    for arguments, message in cases:
        said = ornstein("invert", *arguments, "--model", grey)
        assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1), said
        assert message in said.err
    assert sorted(Path().rglob("*")) == known


def test_bits_of_files(ornstein: Command, grey: Path) -> None:
    said = ornstein(
        "likelihood", grey, picture("a.png"), picture("b.png", seed=1), "--steps", 2, "--draws", 2, "--json"
    )
    facts = json.loads(said.out)
    assert [line["picture"] for line in facts["pictures"]] == ["a.png", "b.png"]
    assert all(np.isfinite(line["bits"]) and line["error"] > 0 for line in facts["pictures"])
    once = ornstein("likelihood", grey, "a.png", "--steps", 2)
    assert "upper bound" in once.out
    assert "±" not in once.out.splitlines()[0]  # one draw has no error


def test_bits_of_held_out_and_of_training_pictures(ornstein: Command, grey: Path) -> None:
    pack = make_pack(Path("discs"), count=24, held=8)
    random_model(tiny_recipe(pack)).save("model", manifest=Pack.open(pack).rows())
    said = ornstein("likelihood", "model", "--count", 6, "--steps", 2, "--json")
    facts = json.loads(said.out)
    assert facts["held_out"]["count"] == facts["training"]["count"] == 6
    apart = facts["held_out"]["value"] - facts["training"]["value"]
    assert facts["difference"]["value"] == pytest.approx(apart)
    assert facts["difference"]["low"] < apart < facts["difference"]["high"]
    text = ornstein("likelihood", "model", "--count", 6, "--steps", 2).out
    assert f"difference  {apart:>8.3f}" in text
    assert "a sign of memorisation" in text
    cases: list[tuple[list[object], str]] = [
        ([grey], "does not tell what it learned from"),
        (["model", "--count", 1], "count must be 2 or more"),
        (["model", "--prompt", "red"], "--prompt is for picture files"),
        (["model", "--seed", -1], "seed must be 0"),
        (["model", "--against", "nowhere"], "is not a pack"),
        (["model", "a.png", "--against", "discs"], "give picture files, or a pack"),
    ]
    for arguments, message in cases:
        refused = ornstein("likelihood", *arguments)
        assert refused.code in (1, 2)
        assert refused.out == ""
        assert message in refused.err.splitlines()[-1]
