"""A picture's record makes it again, bit for bit, file included; a record that lies is refused."""

from __future__ import annotations

import html
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ornstein.errors import OrnsteinError
from ornstein.model import Model
from ornstein.output import XMP, Output, read


def replayed(bundle: Path, path: Path) -> bytes:
    """The bytes that a fresh process would write: everything comes from the file."""
    _, record = read(path)
    return Model.load(bundle).replay(record).encode(record.form)


CASES: dict[str, Callable[[Model], list[Output]]] = {
    "alone": lambda model: model.generate("cat", seeds=1),
    "with n": lambda model: model.generate("cat", seeds=1, n=6),
    "prompts together": lambda model: model.generate(
        ["cat", "dog", "a long red apple", "x"], seeds=[4, 3, 2, 1]
    ),
    "negative": lambda model: model.generate(
        ["cat", "dog"] * 2, seeds=3, negative=["blue", "", "red", "old"]
    ),
    "ddpm": lambda model: model.generate("cat", seeds=1, n=4, sampler="ddpm"),
    "heun": lambda model: model.generate("cat", seeds=1, n=4, sampler="heun"),
    "steps and scales": lambda model: model.generate(
        "cat", seeds=1, n=6, steps=[2, 3, 2, 2, 2, 3], guidance=[1, 3, 1, 1, 1, 7.5]
    ),
    "size": lambda model: model.generate("cat", seeds=1, n=4, size=40),
    "composed": lambda model: model.generate(
        ["cat AND dog", "(red:1.5) car NOT blue:0.5", "[cat|dog]", "cat"], seeds=[4, 3, 2, 1], compose=True
    ),
    "guided otherwise": lambda model: model.generate(
        ["cat", "dog"], seeds=1, rule=["rescaled:share=0.5", "zero-star"], schedule="power-cosine:power=2"
    ),
}


@pytest.mark.filterwarnings("ignore:this model was trained")
@pytest.mark.parametrize("case", CASES)
def test_every_file_is_reproduced_byte_for_byte(
    model: Model, bundle: Path, tmp_path: Path, case: str
) -> None:
    fresh = Model.load(bundle)
    for k, out in enumerate(CASES[case](model)):
        for suffix in (".png", ".webp", ".jpg"):
            path = out.save(tmp_path / f"{k}{suffix}", background="#102030" if k % 2 else None)
            _, record = read(path)
            assert fresh.replay(record).encode(record.form) == path.read_bytes()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_replay_repeats_threads_and_dtype_of_then(
    model: Model,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dtype: torch.dtype,
    threads: int,
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    monkeypatch.setattr(model, "dtype", dtype)
    path = model.generate("cat", seeds=1, n=4)[2].save(tmp_path / "a.png")
    torch.set_num_threads(3 - threads)
    try:
        assert replayed(bundle, path) == path.read_bytes()
        assert torch.get_num_threads() == 3 - threads
    finally:
        torch.set_num_threads(before)


def test_a_plain_record_is_what_it_was_before_there_were_choices(model: Model) -> None:
    """Or pictures made then would not replay to the same bytes."""
    plain = model.generate("cat", seeds=1, steps=1)[0].record.request
    assert plain.model_dump().keys() == {"prompt", "negative", "seed", "steps", "guidance", "sampler", "size"}
    chosen = model.generate("cat", seeds=1, steps=1, compose=True, rule="projected:along=0.5")[
        0
    ].record.request
    said = chosen.model_dump(mode="json")
    assert said["compose"] is True
    assert said["rule"] == {"kind": "projected", "along": 0.5, "longest": None}
    assert "schedule" not in said


def test_measurements_added_later_change_no_replay(model: Model, bundle: Path, tmp_path: Path) -> None:
    path = model.generate("cat", seeds=1)[0].save(tmp_path / "a.png")
    Model.load(bundle).save(tmp_path / "measured", metrics={"R@1": 0.3})
    assert replayed(tmp_path / "measured", path) == path.read_bytes()


def test_another_model_is_refused(model: Model, grey: Path, tmp_path: Path) -> None:
    path = model.generate("cat", seeds=1)[0].save(tmp_path / "a.png")
    with pytest.raises(OrnsteinError, match="made by another model: 'small'"):
        replayed(grey, path)


def test_a_model_never_saved_cannot_be_named(bundle: Path, tmp_path: Path) -> None:
    from tests.small import random_model, text_recipe

    path = random_model(text_recipe()).generate("cat", seeds=1, steps=1)[0].save(tmp_path / "a.png")
    with pytest.raises(OrnsteinError, match="never saved"):
        replayed(bundle, path)


def forged(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The PNG with a changed record."""
    _, record = read(path)
    values = record.model_dump(mode="json")
    change(values)
    return with_text(path, json.dumps(values))


def with_text(path: Path, text: str) -> Path:
    info = PngInfo()
    info.add_itxt("ornstein", text)
    with Image.open(path) as found:
        found.save(path, pnginfo=info)
    return path


@pytest.fixture
def file(model: Model, tmp_path: Path) -> Path:
    """A picture to tamper with."""
    return model.generate("cat", seeds=1)[0].save(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("request", "steps", 10**9, "steps must be 1 to 1000"),
        ("request", "guidance", 1e300, "guidance must be 0 to 30"),
        ("request", "guidance", "nan", "finite number"),
        ("request", "size", 2**20, "size must be 8 to 2048"),
        ("request", "seed", -5, "seed must be 0"),
        ("request", "prompt", "", "the prompt is empty"),
        ("request", "prompt", "x" * 100_000, "100000 characters"),
        ("request", "prompt", "cat\x1b[2J", "holds"),
        ("request", "sampler", "__import__", "unknown sampler"),
        ("request", "shell", "rm", "unknown key 'request.shell'"),
        ("request", "rule", {"kind": "__import__"}, "unknown request.rule.kind '__import__'"),
        ("request", "schedule", "power-cosine:power=1e9", "less than or equal to 100"),
        ("request", "compose", 7, "compose"),
        ("computation", "rows", 10**6, "less than or equal to 64"),
        ("computation", "row", 3, "row 3 lies outside a batch of 1"),
        ("computation", "threads", 10**6, "less than or equal to 1024"),
        ("computation", "dtype", "float8", "float32"),
        ("model", "fingerprint", "../..", "match pattern"),
        ("form", "background", "url(x)", "match pattern"),
        ("platform", "torch", "t" * 10_000, "at most 100"),
    ],
)
def test_a_forged_record_is_refused(file: Path, section: str, key: str, value: object, message: str) -> None:
    forged(file, lambda values: values[section].update({key: value}))
    with pytest.raises(OrnsteinError, match="damaged or forged") as caught:
        read(file)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_record_that_says_its_prompt_is_composed_and_lies(file: Path) -> None:
    forged(file, lambda values: values["request"].update(prompt="(" * 500, compose=True))
    with pytest.raises(OrnsteinError, match="damaged or forged: request: composed prompt, character 9"):
        read(file)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", '"x"', "[" * 100_000, '{"version": 2}', "9" * 5000, "NaN"]
)
def test_a_record_that_is_none(file: Path, text: str) -> None:
    with_text(file, text)
    with pytest.raises(OrnsteinError, match="damaged or forged|no replay record"):
        read(file)


def test_a_record_asking_for_more_threads_than_there_are(model: Model, file: Path) -> None:
    forged(file, lambda values: values["computation"].update(threads=1024))
    before = torch.get_num_threads()
    made = model.replay(read(file)[1])
    assert made.record.computation.threads <= 256
    assert torch.get_num_threads() == before


def test_xmp_of_strangers(model: Model, tmp_path: Path) -> None:
    """Entities that would fill the memory of an XML reader are plain text here."""
    out = model.generate("cat", seeds=1)[0]
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + XMP.format("&b;" + html.escape("{"))
    out.image.save(tmp_path / "a.webp", xmp=bomb.encode(), lossless=True)
    with pytest.raises(OrnsteinError, match="damaged or forged"):
        read(tmp_path / "a.webp")


def test_pictures_of_others_and_no_pictures(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "b.png"
    Image.new("RGBA", (4, 4)).save(other)
    with pytest.raises(OrnsteinError, match="carries no replay record"):
        read(other)
    for name, data in {"empty.png": b"", "text.png": b"hello", "half.png": file.read_bytes()[:-200]}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(OrnsteinError, match="not a whole PNG, WebP or JPEG picture"):
            read(tmp_path / name)
    with pytest.raises(OrnsteinError, match="cannot read"):
        read(tmp_path / "nowhere.png")
    with pytest.raises(OrnsteinError, match="cannot read"):
        read(tmp_path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
    (tmp_path / "bomb.png").write_bytes(buffer.getvalue())
    with pytest.raises(OrnsteinError, match="not a whole PNG"):
        read(tmp_path / "bomb.png")


def test_a_file_too_large_to_be_ours(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as stream:
        stream.truncate(65 << 20)
    with pytest.raises(OrnsteinError, match="larger than any picture"):
        read(tmp_path / "a.png")


def test_an_altered_picture_is_told_from_its_replay(file: Path, bundle: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path / "b.png")
    with Image.open(file) as found:
        pixels, info = np.asarray(found).copy(), PngInfo()
        info.add_itxt("ornstein", found.info["ornstein"])
    pixels[0, 0] ^= 255
    Image.fromarray(pixels).save(file, pnginfo=info)
    assert replayed(bundle, file) == (tmp_path / "b.png").read_bytes() != file.read_bytes()
