"""``ornstein generate`` and ``ornstein replay``: files named, nothing lost, one line for every mistake."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ornstein.cli.generate import SAMPLERS
from ornstein.guard.credentials.stripping import without
from ornstein.output import read
from ornstein.sample.registry import METHODS
from tests.common import heed_interrupts
from tests.small import Command, Said


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def complaint(said: Said, code: int = 2) -> str:
    """The one line a mistake is answered with; nothing was printed and nothing written."""
    assert said.code == code, said
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("ornstein: ")
    return lines[0]


def test_one_prompt_makes_one_readable_file(ornstein: Command, bundle: Path) -> None:
    said = ornstein("generate", "Red  apple, 3D style!", "--seed", 5, "--model", bundle)
    assert (said.code, said.out, said.err) == (0, "red-apple-3d-style-5.png\n", "")
    request = read(Path("red-apple-3d-style-5.png"))[1].request
    assert (request.prompt, request.seed) == ("Red apple, 3D style!", 5)
    assert [file.name for file in Path().iterdir()] == ["red-apple-3d-style-5.png"]


def test_the_same_again_never_replaces_what_is_there(ornstein: Command, bundle: Path) -> None:
    for name in ("cat-5.png", "cat-5-2.png", "cat-5-3.png"):
        assert ornstein("generate", "cat", "--seed", 5, "--model", bundle).out == f"{name}\n"
    assert without(Path("cat-5.png").read_bytes()) == without(Path("cat-5-3.png").read_bytes())


def test_several_pictures_and_their_grid(ornstein: Command, bundle: Path) -> None:
    said = ornstein("generate", "cat", "dog", "-n", 3, "--seed", 1, "--model", bundle, "--out", "sheet.webp")
    assert said.out.split() == [*(f"sheet-{k}.webp" for k in range(1, 7)), "sheet.webp"]
    with Image.open("sheet.webp") as sheet, Image.open("sheet-6.webp") as last:
        assert sheet.size == (3 * 32 + 2 * 4, 2 * 32 + 4)
        assert np.array_equal(np.asarray(sheet)[36:, 72:, 3], np.asarray(last)[..., 3])
    assert [read(Path(f"sheet-{k}.webp"))[1].request.prompt for k in (3, 4)] == ["cat", "dog"]


def test_a_folder_is_made_where_it_is_missing(ornstein: Command, bundle: Path) -> None:
    said = ornstein("generate", "cat", "-n", 2, "--seed", 1, "--model", bundle, "--out", "new/deep")
    assert said.out.split() == ["new/deep/cat-1.png", "new/deep/cat-2.png", "new/deep/cat-grid.png"]


def test_json_says_everything(ornstein: Command, bundle: Path) -> None:
    said = ornstein("generate", "cat", "--model", bundle, "--json", "--steps", 2, "--negative", "blue")
    answer = json.loads(said.out)
    picture = answer["pictures"][0]
    assert answer["grid"] is None
    assert Path(picture["file"]).is_file()
    assert picture["request"]["steps"] == 2
    assert picture["request"]["negative"] == "blue"
    assert picture["computation"]["rows"] == 1


def test_jpeg_says_that_its_ground_is_white(ornstein: Command, bundle: Path) -> None:
    said = ornstein("generate", "cat", "--seed", 1, "--model", bundle, "--out", "a.jpg")
    assert (said.code, said.out) == (0, "a.jpg\n")
    assert said.err == "ornstein: note: JPEG has no transparency: the background is white\n"
    assert ornstein("generate", "cat", "--model", bundle, "--out", "b.jpg", "--background", "navy").err == ""


def test_a_size_outside_the_training_is_said(ornstein: Command, bundle: Path) -> None:
    said = ornstein("generate", "cat", "--model", bundle, "--size", 48, "--out", "a.png")
    assert said.code == 0
    assert said.err == "ornstein: note: this model was trained at 32 pixels, not 48\n"


MISTAKES: dict[str, tuple[list[object], str]] = {
    "no prompt": ([], "no prompt"),
    "empty prompt": ([""], "the prompt is empty: say what to draw"),
    "long prompt": (["x" * 10_000], "the prompt has 10000 characters; the limit is 2000"),
    "escape codes": (["cat\x1b[31m"], "which is no text"),
    "not Unicode": (["cat\udce4"], "which is no text"),
    "n=0": (["cat", "-n", 0], "n must be 1 to 1000, not 0"),
    "n=10000": (["cat", "-n", 10_000], "n must be 1 to 1000, not 10000"),
    "n=x": (["cat", "-n", "x"], "valid integer"),
    "seed": (["cat", "--seed", -1], "seed must be 0 to"),
    "huge seed": (["cat", "--seed", 10**30], "seed must be 0 to"),
    "steps 0": (["cat", "--steps", 0], "steps must be 1 to 1000, not 0"),
    "steps 10000": (["cat", "--steps", 10_000], "steps must be 1 to 1000"),
    "guidance nan": (["cat", "--guidance", "nan"], "finite number"),
    "guidance inf": (["cat", "--guidance", "inf"], "finite number"),
    "guidance -1": (["cat", "--guidance", -1], "guidance must be 0 to 30"),
    "guidance 1000": (["cat", "--guidance", 1000], "guidance must be 0 to 30"),
    "sampler": (["cat", "--sampler", "euler"], "unknown sampler 'euler'"),
    "size": (["cat", "--size", 50], "multiples of 8 from 32 to 256; it was trained at 32"),
    "composed": (["a (cat", "--compose"], "composed prompt, character 3: '(' needs a weight"),
    "thousand parts": ([" AND ".join("a" * 300), "--compose"], "character 45: more than 8 parts"),
    "rule": (["cat", "--rule", "rescale"], "unknown rule.kind 'rescale'; did you mean 'rescaled'?"),
    "schedule": (["cat", "--schedule", "cosine:power=2"], "unknown key 'schedule.cosine.power'"),
    "colour": (["cat", "--background", "whit"], "did you mean 'white'"),
    "suffix": (["cat", "--out", "a.tiff"], "cannot write .tiff; use .png, .webp or .jpg"),
    "option": (["cat", "--step", 5], "--step"),
    "model": (["cat", "--model", "nowhere"], "no model 'nowhere'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(ornstein: Command, bundle: Path, mistake: str) -> None:
    arguments, message = MISTAKES[mistake]
    said = ornstein("generate", "--model", bundle, *arguments)
    assert message in complaint(said, 1 if mistake == "model" else 2)
    assert list(Path().iterdir()) == []


def test_nothing_is_overwritten_and_nothing_computed_first(ornstein: Command, bundle: Path) -> None:
    Path("a-2.png").write_bytes(b"a holiday")
    said = ornstein("generate", "cat", "-n", 3, "--model", bundle, "--out", "a.png")
    assert "a-2.png exists already" in complaint(said)
    assert [file.name for file in Path().iterdir()] == ["a-2.png"]
    assert ornstein("generate", "cat", "-n", 3, "--model", bundle, "--out", "a.png", "--force").code == 0
    assert read(Path("a-2.png"))[1].request.prompt == "cat"


def test_a_folder_that_cannot_be_written(ornstein: Command, bundle: Path) -> None:
    Path("file").write_text("no folder")
    assert "cannot write into" in complaint(
        ornstein("generate", "cat", "--model", bundle, "--out", "file/a.png"), 1
    )
    assert "cannot write into /proc" in complaint(
        ornstein("generate", "cat", "--model", bundle, "--out", "/proc"), 1
    )


def test_replay_writes_the_same_bytes(ornstein: Command, bundle: Path) -> None:
    ornstein(
        "generate",
        "cat",
        "a dog",
        "-n",
        3,
        "--seed",
        1,
        "--model",
        bundle,
        "--negative",
        "blue",
        "--out",
        "a.webp",
    )
    for k in range(1, 7):
        said = ornstein("replay", f"a-{k}.webp", "--out", f"copy-{k}.webp", "--model", bundle)
        assert (said.code, said.err) == (0, "identical, byte for byte, but for the signature\n")
        assert without(Path(f"a-{k}.webp").read_bytes()) == without(Path(f"copy-{k}.webp").read_bytes())


def test_a_composed_picture_says_how_it_was_made_and_replays(ornstein: Command, bundle: Path) -> None:
    ask = ["cat AND [red|blue] car:0.5", "--compose", "--rule", "projected:along=0.5", "--schedule", "linear"]
    ornstein("generate", *ask, "-n", 5, "--seed", 1, "--model", bundle, "--out", "a.png")
    with Image.open("a-3.png") as found:
        text = found.text["parameters"]  # type: ignore[attr-defined]
    assert text.startswith("cat AND [red|blue] car:0.5\nSteps")
    assert text.endswith('Syntax: composed, Rule: "projected:along=0.5", Schedule: linear')
    said = ornstein("replay", "a-3.png", "--out", "copy.png", "--model", bundle)
    assert (said.code, said.err) == (0, "identical, byte for byte, but for the signature\n")


def test_replay_finds_the_model_by_its_name(
    ornstein: Command, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "bundles").mkdir(parents=True)
    (tmp_path / "home" / "bundles" / "small").symlink_to(bundle)
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path / "home"))
    ornstein("generate", "cat", "--model", "small", "--out", "a.png")
    assert ornstein("replay", "a.png", "--out", "b.png").code == 0


def test_what_replay_cannot_do(ornstein: Command, bundle: Path, grey: Path) -> None:
    ornstein("generate", "cat", "-n", 2, "--seed", 1, "--model", bundle, "--out", "a.png")
    known = sorted(Path().iterdir())
    cases: list[tuple[list[object], int, str]] = [
        (["a.png", "--out", "b.png"], 1, "carries no replay record"),  # the grid
        (["a-1.png", "--out", "a-2.png"], 2, "exists already"),
        (["a-1.png", "--out", "b.jpg"], 2, "name the copy with the same suffix"),
        (["a-1.png", "--out", "b.png", "--model", grey], 1, "made by another model"),
        (["a-1.png", "--out", "b.png"], 1, "no model 'small'"),
        (["nothing.png", "--out", "b.png"], 1, "cannot read nothing.png: No such file"),
        (["a-1.png"], 2, "Missing option '--out'"),
    ]
    for arguments, code, message in cases:
        assert message in complaint(ornstein("replay", *arguments), code)
    assert sorted(Path().iterdir()) == known


def test_replay_tells_an_altered_picture(ornstein: Command, bundle: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    ornstein("generate", "cat", "--model", bundle, "--out", "a.png")
    info = PngInfo()
    with Image.open("a.png") as found:
        info.add_itxt("ornstein", found.info["ornstein"])
        found.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("a.png", pnginfo=info)
    said = ornstein("replay", "a.png", "--out", "b.png", "--model", bundle)
    assert said.code == 1
    assert said.err == "ornstein: b.png is not identical to a.png (the file was altered after it was made)\n"


def test_a_bar_is_drawn_for_terminals_alone(
    ornstein: Command, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("ornstein.cli.generate"), "BAR_AFTER", 0.0)  # as on a busy machine
    assert ornstein("generate", "cat", "--model", bundle, "--out", "a.png").err == ""


def test_replay_says_what_differs_between_then_and_now(
    ornstein: Command, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as then:
        then.setattr("ornstein.record.__version__", "0.0.9")
        ornstein("generate", "cat", "--model", bundle, "--out", "a.png")
    said = ornstein("replay", "a.png", "--out", "b.png", "--model", bundle)
    assert said.code == 1
    assert "made elsewhere: ornstein 0.0.9 then, 0.1.0 now" in said.err


IMPORTING = 'event == "import" and arguments[0] == "torch"'
LOADING = 'event == "open" and str(arguments[0]).endswith(".safetensors")'
DRAWING = "False"  # nothing tells of it within; what is drawn is on record just before


@pytest.mark.parametrize("moment", [IMPORTING, LOADING, DRAWING], ids=["importing", "loading", "drawing"])
def test_ctrl_c_leaves_nothing_half_written(bundle: Path, tmp_path: Path, moment: str) -> None:
    home = tmp_path / "home"
    hook = f"lambda event, arguments: os.kill(os.getpid(), signal.SIGINT) if {moment} else None"
    process = subprocess.Popen(
        [sys.executable, "-c",
         f"import os, signal, sys; sys.addaudithook({hook}); from ornstein.cli import main; main()",
         "generate", "cat", "-n", "200", "--steps", "200", "--model", str(bundle), "--out", "pictures"],
        stderr=subprocess.PIPE, cwd=tmp_path, preexec_fn=heed_interrupts,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ORNSTEIN_HOME": str(home)},
    )  # fmt: skip
    if moment == DRAWING:
        while process.poll() is None and not any(file.stat().st_size for file in home.glob("records/*")):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert error.decode().strip().splitlines()[-1:] in (["ornstein: stopped"], [])
    assert b"Traceback" not in error
    assert not (tmp_path / "pictures").exists()
    assert not list(tmp_path.rglob("*.part"))


def test_the_help_names_every_sampler():
    methods = SAMPLERS.split(";")[0]
    assert set(re.findall(r"[a-z][-\w]+", methods)) - {"or"} == set(METHODS)


def test_a_picture_starts_from_a_picture_and_its_replay_names_it(
    bundle: Path, ornstein: Command, tmp_path: Path
) -> None:
    first, made = tmp_path / "a.png", tmp_path / "b.png"
    assert ornstein("generate", "dog", "--model", bundle, "--seed", 1, "--out", first).code == 0
    mask = np.zeros((32, 32, 4), np.uint8)
    mask[:, :16, 3] = 255  # what is opaque stays
    Image.fromarray(mask).save(tmp_path / "mask.png")
    given = "--source", first, "--mask", tmp_path / "mask.png"
    said = ornstein("generate", "cat", "--model", bundle, "--seed", 2, "--out", made, *given)
    assert said.code == 0, said.err
    before, after = (np.asarray(Image.open(file)) for file in (first, made))
    assert np.array_equal(before[:, :16], after[:, :16])
    assert not np.array_equal(before[:, 16:], after[:, 16:])
    again = "replay", made, "--model", bundle, "--out", tmp_path / "c.png"
    assert "--source" in ornstein(*again).err
    assert "identical" in ornstein(*again, *given).err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--strength", "0.5"], "--source"),
        (["--source", "a.png", "--strength", "0"], "strength"),
        (["--source", "none.png"], "no such file"),
        (["--source", "a.png", "--mask", "small.png"], "one size"),
        (["--source", "a.png", "--mask", "a.png"], "nothing of the mask is transparent"),
    ],
)
def test_a_source_that_cannot_be_used_is_one_line(
    bundle: Path,
    ornstein: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (32, 32), "red").save("a.png")
    Image.new("RGBA", (16, 16)).save("small.png")
    said = ornstein("generate", "cat", "--model", bundle, "--out", tmp_path / "b.png", *options)
    assert said.code in (1, 2)
    assert words in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "b.png").exists()
