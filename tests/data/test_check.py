"""Checks: every kind of fault is found and named, and nothing else is called one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ornstein.data import manifest
from ornstein.data.check import check
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError

from .test_folder import bomb


def test_a_sound_folder(pictures: Path) -> None:
    report = check(pictures)
    assert (report.errors, report.pictures, report.sizes) == (0, 6, {"9x12": 6})
    assert not report.exact_duplicates
    assert not report.near_duplicates


def test_every_fault_is_found(pictures: Path) -> None:
    bomb(pictures / "owl/bomb.png", 20_000, 20_000)
    (pictures / "owl/cut.png").write_bytes((pictures / "owl/0.png").read_bytes()[:100])
    (pictures / "owl/copy.png").write_bytes((pictures / "owl/0.png").read_bytes())
    y, x = np.mgrid[0:64, 0:64] / 64
    smooth = (128 + 60 * np.sin(9 * x + 4 * y) + 60 * np.cos(11 * y * x + 3 * x)).astype(np.uint8)
    Image.fromarray(smooth).save(pictures / "red_fox/smooth.png")
    Image.fromarray(smooth).resize((200, 200)).save(pictures / "red_fox/larger.jpg")
    Image.new("RGB", (5, 5)).save(pictures / "nameless.png")
    report = check(pictures)
    assert [finding.path for finding in report.bombs] == ["owl/bomb.png"]
    assert [finding.path for finding in report.unreadable] == ["owl/cut.png"]
    assert report.missing_captions == ["nameless.png"]
    assert report.exact_duplicates == [["owl/0.png", "owl/copy.png"]]
    assert report.near_duplicates == [["red_fox/larger.jpg", "red_fox/smooth.png"]]
    assert report.sizes["200x200"] == 1
    assert report.errors == 3
    assert json.loads(report.model_dump_json())["licences"] == {"none given": 11}


def test_flags_of_equal_shape_are_not_duplicates(pictures: Path) -> None:
    for name, colours in {"a": ("red", "blue"), "b": ("green", "yellow")}.items():
        flag = Image.new("RGB", (60, 40), colours[0])
        flag.paste(Image.new("RGB", (30, 40), colours[1]), (30, 0))
        flag.save(pictures / f"owl/{name}.png")
    assert not check(pictures).near_duplicates


def test_a_pack_with_a_leak(make_pack: Callable[..., Pack]) -> None:
    pack = make_pack([{}] * 3)
    assert check(pack.folder).errors == 0
    from ornstein.data.write import write_pack

    rows, data = pack.rows(), pack.file_bytes(0)
    from .conftest import make_row

    items = [(make_row("a", data), data), (make_row("b", data, split="held-out"), data)]
    assert len(rows) == 3
    write_pack(pack.folder, name="x", size=8, channels=4, items=items, force=True)
    assert check(pack.folder).leaks == [["a", "b"]]


def test_a_pack_whose_manifest_was_replaced(make_pack: Callable[..., Pack]) -> None:
    pack = make_pack([{}, {}])
    manifest.write(
        [*pack.rows()[:1], *make_pack([{}, {"holder": "Thief"}], "b").rows()[1:]],
        pack.folder / "manifest.parquet",
    )
    with pytest.raises(OrnsteinError, match=r"manifest\.parquet is damaged"):
        check(pack.folder)
    header = json.loads((pack.folder / "pack.json").read_text())
    import hashlib

    header["manifest"] = hashlib.sha256((pack.folder / "manifest.parquet").read_bytes()).hexdigest()
    (pack.folder / "pack.json").write_text(json.dumps(header))
    assert check(pack.folder).wrong_hashes  # the fingerprint still tells
