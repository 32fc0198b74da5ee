"""Folders that users bring: three layouts, and files that are broken, hostile or nameless."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ornstein.data.folder import scan
from ornstein.data.pack import Pack
from ornstein.data.pack_folder import pack_folder
from ornstein.data.reader import BadPictureError, read_picture
from ornstein.errors import OrnsteinError, UsageError


def packed(folder: Path, out: Path, **options: object) -> Pack:
    options = {"licence": "CC0-1.0", "size": 16, "held_out": 0.0} | options
    return Pack.open(pack_folder(folder, out, **options))  # type: ignore[arg-type]


def save(
    path: Path, colour: object = (200, 10, 10), size: tuple[int, int] = (8, 8), mode: str = "RGB"
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)  # type: ignore[arg-type]
    return path


def bomb(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes whose header claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_class_folders(pictures: Path, tmp_path: Path) -> None:
    pack = packed(pictures, tmp_path / "out")
    assert pack.concept_names == ["owl", "red fox"]
    assert pack.captions(pack.ids.index("red_fox/0.png")) == ("red fox",)
    whole = pack.pictures(np.array([0]))[0]
    assert whole[:, 8, 3].all()  # 12 high, 9 wide: full height,
    assert not whole[:, :2].any()  # with transparent bars left
    assert not whole[:, -2:].any()  # and right


def test_metadata_wins_over_text_and_text_over_class(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in ("cat/a.png", "cat/b.png", "cat/c.png"):
        save(folder / name)
    (folder / "cat/a.txt").write_text("from the text file")
    (folder / "cat/b.txt").write_text("a  long \t caption\n\nshort\n")
    line = {
        "file_name": "cat/a.png",
        "text": "from metadata",
        "license": "mit",
        "holder": "Ann",
        "style": "Ink style",
    }
    (folder / "metadata.jsonl").write_text(json.dumps(line) + "\n\n")
    pack = packed(folder, tmp_path / "out")
    assert [pack.captions(n) for n in range(3)] == [("from metadata",), ("a long caption", "short"), ("cat",)]
    rows = pack.rows()
    assert (rows[0].licence, rows[0].holder, rows[0].style) == ("MIT", "Ann", "Ink style")
    assert rows[1].licence == "CC0-1.0"


def test_a_corrupt_picture_is_refused_by_name_or_skipped_by_choice(pictures: Path, tmp_path: Path) -> None:
    bad = pictures / "owl/1.png"
    bad.write_bytes(bad.read_bytes()[:-60])
    with pytest.raises(OrnsteinError, match=r"1 unusable: owl/1\.png: .*--skip-bad"):
        packed(pictures, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    pack = packed(pictures, tmp_path / "out", skip_bad=True)
    assert len(pack) == 5
    assert pack.header.notes == {"left out: unusable": 1}


@pytest.mark.parametrize(
    ("text", "why"),
    [(b"", "empty"), (b"  \n", "empty"), (b"\xff\xfe\x00", "UTF-8"), (b"x" * 50_000, "50000 bytes")],
)
def test_corrupt_caption_files(pictures: Path, tmp_path: Path, text: bytes, why: str) -> None:
    (pictures / "owl/1.txt").write_bytes(text)
    with pytest.raises(OrnsteinError, match=rf"owl/1\.png: caption file 1\.txt .*{why}"):
        packed(pictures, tmp_path / "out")
    assert len(packed(pictures, tmp_path / "out", skip_bad=True)) == 5


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "3",
        '{"text": "no name"}',
        '{"file_name": "../secret.png", "text": "x"}',
        '{"file_name": "/etc/secret.png", "text": "x"}',
        '{"file_name": "gone.png", "text": "x"}',
        '{"file_name": "owl/0.png", "text": 5}',
        '{"file_name": "owl/0.png", "text": "a\\u0000b"}',
        '{"file_name": "owl/0.png", "text": "\\ud800"}',
        "[" * 100_000,
    ],
)
def test_corrupt_metadata(pictures: Path, tmp_path: Path, line: str) -> None:
    (pictures / "metadata.jsonl").write_text(line)
    with pytest.raises(OrnsteinError, match="1 unusable"):
        packed(pictures, tmp_path / "out")


def test_pictures_without_caption_are_named(tmp_path: Path) -> None:
    save(tmp_path / "in/lonely.png")
    with pytest.raises(OrnsteinError, match=r"lonely\.png: no caption"):
        packed(tmp_path / "in", tmp_path / "out")


def test_empty_and_absent_folders(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match="holds no picture"):
        packed(tmp_path / "in", tmp_path / "out")
    with pytest.raises(UsageError, match="not a folder"):
        packed(tmp_path / "nowhere", tmp_path / "out")


def test_all_pictures_bad_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    (tmp_path / "in/cat").mkdir(parents=True)
    (tmp_path / "in/cat/a.png").write_bytes(b"")
    with pytest.raises(OrnsteinError, match="no picture was left"):
        packed(tmp_path / "in", tmp_path / "out", skip_bad=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("width", "height"), [(9000, 9000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_bombs_are_refused_before_decoding(tmp_path: Path, width: int, height: int) -> None:
    with pytest.raises(BadPictureError) as caught:
        read_picture(bomb(tmp_path / "bomb.png", width, height), 64)
    assert caught.value.bomb


def test_a_large_honest_picture_is_averaged(tmp_path: Path) -> None:
    half = Image.new("RGB", (3000, 1500), "white")
    half.paste((0, 0, 0), (0, 0, 1500, 1500))
    half.save(tmp_path / "wide.png")
    out = read_picture(tmp_path / "wide.png", 64)
    assert (out[16:48, :31] == (0, 0, 0, 255)).all()
    assert (out[16:48, 33:] == 255).all()
    assert out[16:48, 31:33, 0].mean() == pytest.approx(127.5, abs=16)  # the edge, to a quarter of a pixel
    assert not out[:16].any()
    assert not out[48:].any()


def test_links_that_leave_the_folder_are_refused(pictures: Path, tmp_path: Path) -> None:
    secret = save(tmp_path / "secret.png")
    (pictures / "owl/link.png").symlink_to(secret)
    (pictures / "owl/inside.png").symlink_to(pictures / "owl/0.png")
    (pictures / "owl/1.txt").symlink_to("/etc/hostname")
    (pictures / "loop").symlink_to(pictures)
    why = {problem.path: problem.why for problem in scan(pictures).problems}
    assert set(why) == {"owl/link.png", "owl/1.png"}
    assert all("leaves the folder" in reason for reason in why.values())


def test_unicode_names(tmp_path: Path) -> None:
    save(tmp_path / "in/Füchse/été 🦊.png")  # written decomposed, stored composed
    os.rename(tmp_path / "in/Füchse", os.fsencode(tmp_path / "in") + b"/F\xffchse")
    save(tmp_path / "in/cafe\u0301/a.png")
    pack = packed(tmp_path / "in", tmp_path / "out")
    assert pack.ids == ["F\ufffdchse/été 🦊.png", "café/a.png"]
    assert pack.concept_names == ["F\ufffdchse", "café"]


def test_exif_orientation(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 8), "white")
    image.paste((255, 0, 0), (0, 0, 8, 8))  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise: red on top
    image.save(tmp_path / "turned.png", exif=exif)
    out = read_picture(tmp_path / "turned.png", 16)
    assert out[2, 8].tolist() == [255, 0, 0, 255]
    assert out[13, 8].tolist() == [255, 255, 255, 255]
    assert not out[8, 0].any()


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_picture(tmp_path / "a.gif", 8)[4, 4].tolist() == [255, 0, 0, 255]


def test_modes(tmp_path: Path) -> None:
    deep = np.full((8, 8), 0x8080, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert read_picture(tmp_path / "deep.png", 8)[0, 0].tolist() == [128, 128, 128, 255]
    save(tmp_path / "cmyk.jpg", (0, 255, 255, 0), mode="CMYK")
    red = read_picture(tmp_path / "cmyk.jpg", 8)[4, 4]
    assert red[0] > 240
    assert red[1:3].max() < 20
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 0, 200, 0])
    palette.save(tmp_path / "palette.png", transparency=0)
    assert read_picture(tmp_path / "palette.png", 8)[4, 4].tolist() == [0, 200, 0, 255]
    Image.new("P", (8, 8), 0).save(tmp_path / "clear.png", transparency=0)
    assert not read_picture(tmp_path / "clear.png", 8).any()
    save(tmp_path / "grey.png", (100, 51), mode="LA")
    assert read_picture(tmp_path / "grey.png", 8)[4, 4].tolist() == [20, 20, 20, 51]
    Image.fromarray(np.ones((8, 8), dtype=np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(BadPictureError, match="floating-point"):
        read_picture(tmp_path / "float.tiff", 8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_any_cut_or_scramble_is_a_reason_never_a_crash(tmp_path: Path, kind: str) -> None:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, kind)
    data, chance = file.getvalue(), np.random.default_rng(1)
    path = tmp_path / "broken.png"
    for _ in range(60):
        scrambled = bytearray(data[: chance.integers(0, len(data))])
        for place in chance.integers(0, max(len(scrambled), 1), 4):
            if place < len(scrambled):
                scrambled[place] = chance.integers(0, 256)
        path.write_bytes(scrambled)
        try:
            picture, why = read_picture(path, 8), ""
        except BadPictureError as error:
            picture, why = np.zeros((8, 8, 4)), str(error)
        assert picture.shape == (8, 8, 4)
        assert "\n" not in why


def test_licences_are_asked_for_and_refused_by_name(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(OrnsteinError, match=r"6 pictures have no licence .*--licence"):
        packed(pictures, out, licence=None)
    with pytest.raises(OrnsteinError, match=r"CC-BY-NC-4\.0 \(6 pictures: owl/0\.png"):
        packed(pictures, out, licence="CC-BY-NC-4.0")
    with pytest.raises(OrnsteinError, match="--holder"):
        packed(pictures, out, licence="CC-BY-4.0")
    assert not out.exists()
    rows = packed(pictures, out, licence="cc-by-4.0", holder="Ann").rows()
    assert {(row.licence, row.holder) for row in rows} == {("CC-BY-4.0", "Ann")}


def test_copies_stay_on_one_side_of_the_split(tmp_path: Path) -> None:
    for number in range(40):
        save(tmp_path / f"in/cat/{number}.png", (number, 0, 0))
        save(tmp_path / f"in/dog/{number}.png", (number, 0, 0))
    pack = packed(tmp_path / "in", tmp_path / "out", held_out=0.4)
    side: dict[str, set[str]] = {}
    for row in pack.rows():
        side.setdefault(row.sha256, set()).add(row.split)
    assert all(len(splits) == 1 for splits in side.values())
    assert 20 <= len(pack.indices("held-out")) <= 44


def test_output_may_not_be_or_hold_the_input(pictures: Path, tmp_path: Path) -> None:
    for out in (pictures, tmp_path):
        with pytest.raises(UsageError, match="choose another --out"):
            packed(pictures, out, force=True)
    assert len(scan(pictures).entries) == 6


@pytest.mark.parametrize(
    "options", [{"size": 0}, {"size": 99999}, {"held_out": 1.0}, {"held_out": float("nan")}]
)
def test_arguments_that_cannot_be_meant(pictures: Path, tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        packed(pictures, tmp_path / "out", **options)
