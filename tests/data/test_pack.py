"""Packs: what is written is what is read, and nothing else is believed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ornstein.data import manifest, pixels
from ornstein.data.pack import Pack
from ornstein.data.write import write_pack
from ornstein.errors import OrnsteinError, UsageError
from tests.common import heed_interrupts

from .conftest import make_row, random_picture

MakePack = Callable[..., Pack]


def test_pictures_and_rows_come_back(make_pack: MakePack) -> None:
    pack = make_pack(
        [{"concept": "cat"}, {"concept": "dog", "variant": 2}, {"concept": "ant", "split": "held-out"}]
    )
    wanted = np.array([2, 0, 2])
    expected = np.stack([random_picture(2), random_picture(0), random_picture(2)])
    assert np.array_equal(pack.pictures(wanted), expected)
    assert np.array_equal(pack.pictures(wanted, 4), pixels.area(expected, 4))
    assert [pack.concept_names[code] for code in pack.concepts] == ["cat", "dog", "ant"]
    assert pack.variants.tolist() == [0, 2, 0]
    assert pack.indices("held-out").tolist() == [2]
    assert pack.captions(1)[0] == "cat, Ink style"
    assert pack.rows()[1].concept == "dog"


def test_decoded_file_changes_nothing_but_speed(make_pack: MakePack) -> None:
    pack = make_pack([{}] * 5)
    before = pack.pictures(np.arange(5))
    assert np.array_equal(pack.decode(), before)
    assert np.array_equal(Pack.open(pack.folder).pictures(np.arange(5)), before)
    assert not list(pack.folder.glob(".*"))


def test_a_shortened_decoded_file_is_not_used(make_pack: MakePack) -> None:
    pack = make_pack([{}] * 3)
    before = pack.pictures(np.arange(3))
    pack.decode()
    (path,) = pack.folder.glob("decoded-*")
    path.write_bytes(path.read_bytes()[:-1])
    assert np.array_equal(Pack.open(pack.folder).pictures(np.arange(3)), before)


def test_fingerprint_follows_the_rows_not_their_order(make_pack: MakePack) -> None:
    pack = make_pack([{"concept": "cat"}, {"concept": "dog"}])
    rows = pack.rows()
    assert manifest.root_hash(reversed(rows)) == pack.fingerprint
    other = make_pack([{"concept": "cat"}, {"concept": "dog", "holder": "Someone Else"}], "other")
    assert other.fingerprint != pack.fingerprint


@pytest.mark.parametrize("name", ["shard-00000.parquet", "manifest.parquet"])
def test_one_flipped_bit_is_refused_by_name(make_pack: MakePack, name: str) -> None:
    path = make_pack([{}]).folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(OrnsteinError, match=name):
        Pack.open(path.parent)


def test_a_missing_shard_is_named(make_pack: MakePack) -> None:
    folder = make_pack([{}]).folder
    (folder / "shard-00000.parquet").unlink()
    with pytest.raises(OrnsteinError, match=r"shard-00000\.parquet is missing"):
        Pack.open(folder)


@pytest.mark.parametrize(
    "header", ["", "[]", "{}", "{", '{"format": 2}', "\ud800".encode("utf-8", "surrogatepass")]
)
def test_other_headers_are_refused(tmp_path: Path, header: str | bytes) -> None:
    (tmp_path / "pack.json").write_bytes(header if isinstance(header, bytes) else header.encode())
    with pytest.raises(OrnsteinError, match="pack"):
        Pack.open(tmp_path)


def test_a_header_cannot_point_outside_its_folder(make_pack: MakePack) -> None:
    path = make_pack([{}]).folder / "pack.json"
    header = json.loads(path.read_text())
    header["shards"][0]["file"] = "../elsewhere.parquet"
    path.write_text(json.dumps(header))
    with pytest.raises(OrnsteinError, match="outside"):
        Pack.open(path.parent)


def test_not_a_pack(tmp_path: Path) -> None:
    with pytest.raises(OrnsteinError, match="not a pack"):
        Pack.open(tmp_path / "nowhere")


@pytest.mark.parametrize("size", [0, 9, -1])
def test_impossible_sizes(make_pack: MakePack, size: int) -> None:
    with pytest.raises(UsageError, match="size must be 1 to 8"):
        make_pack([{}]).pictures(np.array([0]), size)


def test_unknown_split_names_the_nearest(make_pack: MakePack) -> None:
    with pytest.raises(UsageError, match="did you mean 'train'"):
        make_pack([{}]).indices("trian")


def test_existing_output_is_kept(make_pack: MakePack) -> None:
    pack = make_pack([{}])
    data = pixels.encode(random_picture(0))
    arguments = {"name": "x", "size": 8, "channels": 4, "items": [(make_row("a", data), data)]}
    with pytest.raises(UsageError, match="exists already"):
        write_pack(pack.folder, **arguments)  # type: ignore[arg-type]
    assert Pack.open(pack.folder).fingerprint == pack.fingerprint
    write_pack(pack.folder, **arguments, force=True)  # type: ignore[arg-type]
    assert Pack.open(pack.folder).ids == ["a"]
    assert [path.name for path in pack.folder.parent.iterdir()] == ["pack"]


def test_a_failure_mid_write_leaves_nothing(tmp_path: Path) -> None:
    data = pixels.encode(random_picture(0))
    bad = make_row("b", data, variant="not a number")
    items = [(make_row("a", data), data), (bad, data)]
    with pytest.raises(ValueError, match="not a number"):
        write_pack(tmp_path / "out", name="x", size=8, channels=4, items=items)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(rows: object, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(manifest, "write", full)
    data = pixels.encode(random_picture(0))
    items = [(make_row("a", data), data)]
    with pytest.raises(OrnsteinError, match=r"cannot write .*: No space left on device"):
        write_pack(tmp_path / "out", name="x", size=8, channels=4, items=items)
    assert not list(tmp_path.iterdir())


_SLOW_WRITE = """
import sys, time
from pathlib import Path
from ornstein.data.atomic import new_folder
with new_folder(Path(sys.argv[1])) as part:
    (part / "shard").write_bytes(b"half")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_killed_mid_write(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_WRITE, str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=heed_interrupts,
    )
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, number)
    process.wait(timeout=10)
    assert not out.exists()
    if number == signal.SIGKILL:  # nobody can clean up after this one but the next writer
        data = pixels.encode(random_picture(0))
        write_pack(out, name="x", size=8, channels=4, items=[(make_row("a", data), data)])
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if number == signal.SIGKILL else [])


def test_disallowed_licence_is_named_with_count_and_examples() -> None:
    rows = [make_row(f"icon-{n}", b"", licence="CC-BY-SA-4.0") for n in range(5)] + [make_row("ok", b"")]
    with pytest.raises(OrnsteinError, match=r"CC-BY-SA-4\.0 \(5 pictures: icon-0, icon-1, icon-2, …\)"):
        manifest.refuse(rows, {"MIT"})
    manifest.refuse(rows, {"MIT", "CC-BY-SA-4.0"})


def test_reading_is_fast_enough_to_feed_a_training(make_pack: MakePack) -> None:
    pack = make_pack([{}] * 64)
    times: list[float] = []
    for _ in range(5):  # the best of them: the machine does other things, too
        start = time.perf_counter()
        pack.pictures(np.arange(64))
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5
