"""Pictures out: exact colours, honest files, text that other programs read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ornstein.errors import OrnsteinError, UsageError
from ornstein.model import Model
from ornstein.output import Output, color, grid, parameters, read, to_image
from ornstein.request import MAX_SEED

# how the program that this text comes from reads it (its infotext parser)
PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


@pytest.fixture(scope="module")
def out(model: Model) -> Output:
    """One picture with everything in its record."""
    return model.generate("red apple, “3D” style", seeds=5, negative="blue, green", steps=3, guidance=2.5)[0]


@given(st.integers(0, 255), st.integers(0, 255))
def test_premultiplied_colours_survive_straight_alpha(alpha: int, share: int) -> None:
    """Putting the straight picture back over black gives the premultiplied numbers again."""
    value = alpha * share // 255
    array = np.array([[[value, 0, alpha, alpha]]], np.uint8)
    straight = np.asarray(to_image(array)).astype(float)[0, 0]
    back = np.rint(straight[:3] * straight[3] / 255)
    assert np.abs(back - array[0, 0, :3]).max() <= 1
    assert straight[3] == alpha


def test_a_background_stands_behind() -> None:
    array = np.array([[[0, 0, 0, 0], [100, 0, 0, 128], [10, 20, 30, 255]]], np.uint8)
    assert np.asarray(to_image(array, "#ffffff"))[0].tolist() == [[255] * 3, [227, 127, 127], [10, 20, 30]]
    assert np.asarray(to_image(array, "#00ff00"))[0].tolist() == [[0, 255, 0], [100, 127, 0], [10, 20, 30]]


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_lossless_files_hold_the_very_pixels(out: Output, tmp_path: Path, suffix: str) -> None:
    path = out.save(tmp_path / f"a{suffix}")
    with Image.open(path) as found:
        visible = out.array[..., 3] > 0
        assert found.mode == "RGBA"
        assert np.array_equal(np.asarray(found)[visible], np.asarray(out.image)[visible])
        assert np.array_equal(np.asarray(found)[..., 3], out.array[..., 3])


def test_jpeg_is_white_where_the_picture_is_transparent(out: Output, tmp_path: Path) -> None:
    path = out.save(tmp_path / "a.JPG")
    assert read(path)[1].form.background == "#ffffff"
    with Image.open(path) as found:
        difference = np.asarray(found).astype(int) - np.asarray(to_image(out.array, "white"))
    assert np.abs(difference).mean() < 12


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpeg"])
def test_the_record_comes_back_from_the_file(out: Output, tmp_path: Path, suffix: str) -> None:
    path = out.save(tmp_path / f"a{suffix}", background="teal")
    data, record = read(path)
    assert data == path.read_bytes()
    assert record == out.record.model_copy(update={"form": record.form})
    assert record.form.background == "#008080"


def test_other_programs_read_the_parameters(out: Output, tmp_path: Path) -> None:
    with Image.open(out.save(tmp_path / "a.png")) as found:
        text = found.info["parameters"]
    prompt, negative, pairs = text.split("\n")
    assert prompt == "red apple, “3D” style"
    assert negative == "Negative prompt: blue, green"
    assert dict(PAIR.findall(pairs)) == {
        "Steps": "3", "Sampler": "dpmpp-2m", "CFG scale": "2.5", "Seed": "5", "Size": "32x32",
        "Model hash": (out.record.model.fingerprint or "")[:10], "Model": "small", "Version": "ornstein 0.1.0",
    }  # fmt: skip


def test_other_programs_read_the_comment_of_webp_and_jpeg(out: Output, tmp_path: Path) -> None:
    for name in ("a.webp", "a.jpg"):
        with Image.open(out.save(tmp_path / name)) as found:
            comment = found.getexif().get_ifd(0x8769)[0x9286]
        assert comment[:8] == b"UNICODE\0"
        assert comment[8:].decode("utf-16-be") == parameters(out.record)


@given(prompt=st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=60))
def test_any_prompt_survives_every_format(
    out: Output, tmp_path_factory: pytest.TempPathFactory, prompt: str
) -> None:
    prompt, folder = " ".join(prompt.split()) or "]]></a>&amp;", tmp_path_factory.mktemp("odd")
    request = out.record.request.model_copy(update={"prompt": prompt, "seed": MAX_SEED})
    odd = Output(out.array[:4, :4], out.record.model_copy(update={"request": request}))
    for suffix in (".png", ".webp", ".jpg"):
        path = folder / f"a{suffix}"
        assert read(odd.save(path, force=True))[1].request.prompt == prompt


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.bmp", "cannot write .bmp; use .png, .webp or .jpg"),
        ("a", "a file without suffix"),
        ("a.gif", ".gif"),
    ],
)
def test_unknown_suffixes(out: Output, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        out.save(tmp_path / name)


def test_nothing_is_overwritten_unless_told(out: Output, tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    path.write_bytes(b"a holiday")
    with pytest.raises(UsageError, match="exists already"):
        out.save(path)
    assert path.read_bytes() == b"a holiday"
    out.save(path, force=True)
    assert read(path)[1].request.seed == 5
    (tmp_path / "b.png").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        out.save(tmp_path / "b.png", force=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["b.png", "mine.png"]


def test_a_disk_that_refuses_leaves_nothing(out: Output, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OrnsteinError, match="cannot write"):
        out.save(tmp_path / "file" / "a.png")
    with pytest.raises(OrnsteinError, match="cannot write"):
        out.save(tmp_path / ("long" * 100 + ".png"))
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_colours() -> None:
    known = {"white": "#ffffff", "#0aF": "#00aaff", "#102030": "#102030", " Teal ": "#008080"}
    assert {name: color(name) for name in known} == known
    for bad, hint in [
        ("whit", "did you mean 'white'"),
        ("#12", "#rrggbb"),
        ("", "#rrggbb"),
        ("#gggggg", "#rrggbb"),
    ]:
        with pytest.raises(UsageError, match=hint):
            color(bad)


def test_grey_pictures_have_no_background(grey: Path, tmp_path: Path) -> None:
    made = Model.load(grey).generate("coat", seeds=1)[0]
    with pytest.raises(UsageError, match="grey and opaque"):
        made.save(tmp_path / "a.png", background="white")
    with Image.open(made.save(tmp_path / "a.jpg")) as found:
        assert found.mode == "L"


def test_a_grid_holds_every_picture_in_order() -> None:
    cells = [np.full((2, 3, 4), k + 1, np.uint8) for k in range(5)]
    sheet = grid(cells, gap=1)
    assert sheet.shape == (5, 11, 4)
    assert [sheet[top, left, 0] for top in (0, 3) for left in (0, 4, 8)] == [1, 2, 3, 4, 5, 0]
    assert sheet[2].max() == 0
    assert grid(cells, columns=1, gap=0).shape == (10, 3, 4)
