"""The log of requests under attack and in accidents: what is found out, and what a crash or a full disk leaves."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import random
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ornstein.guard.records import RecordError, RecordLog, verify
from ornstein.guard.records import entry as entries
from ornstein.guard.records import writer as writing
from tests.guard.logs import clock, filled, lines_of, outcome, request

__all__ = ["clock"]

# What is found out


def test_edits_drops_and_reorderings_are_named_with_their_line(tmp_path: Path) -> None:
    filled(tmp_path / "log")
    path, lines = lines_of(tmp_path / "log")
    edited = lines[3].replace(b'"steps":10', b'"steps":99')
    for changed, place, words in (
        ([*lines[:3], edited, *lines[4:]], 4, "entry 4 was changed"),
        ([*lines[:3], *lines[4:]], 4, "before it entries are missing: 4 to 4"),
        ([*lines[:3], lines[4], lines[3], *lines[5:]], 5, "entry 4 stands after entry 5"),
        ([*lines[:4], lines[3], *lines[4:]], 5, "entry 4 stands after entry 4"),
        ([*lines[:3], b"{}\n", *lines[4:]], 4, "it is no entry"),
        (lines[:-2], None, "entries 12 to 13 are missing from the end"),
        (lines[2:], None, "the log begins with entry 3"),
    ):
        path.write_bytes(b"".join(changed))
        problems = verify(tmp_path / "log")
        assert any(problem.line == place and words in problem.what for problem in problems), words
        assert not any(problem.crash for problem in problems)


def test_who_has_no_key_cannot_rewrite_the_log(tmp_path: Path) -> None:
    filled(tmp_path)
    path, lines = lines_of(tmp_path)
    values = [json.loads(line) for line in lines]
    values[3]["settings"]["steps"] = 99
    for before, after in itertools.pairwise(values[2:]):  # mend the whole chain behind the edit
        after["previous"] = before["hash"]
        after["hash"] = entries.chained(after)
    path.write_bytes(b"".join(entries.canonical(value) + b"\n" for value in values))
    assert "entry 4 is not sealed with the key of this log" in str(verify(tmp_path)[0])


def test_a_log_put_back_to_an_earlier_state_is_found_by_an_anchor_alone(tmp_path: Path) -> None:
    log = filled(tmp_path / "log")
    shutil.copytree(tmp_path / "log", tmp_path / "old")
    log.append(outcome(7))
    anchor = log.tip()
    assert verify(tmp_path / "log", anchor) == []
    assert verify(tmp_path / "old") == []
    assert "is not the one that was noted" in str(verify(tmp_path / "old", anchor)[0])


def _mutated(folder: Path, rng: random.Random) -> str:
    """Change something about a log at random; says what."""
    path = rng.choice(sorted(folder.glob("*.jsonl")))
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    a, b = sorted(rng.sample(range(len(lines)), 2))
    kind = rng.choice(
        ["flip", "cut", "drop", "swap", "copy", "insert", "space", "field", "file", "head", "key"]
    )
    if kind == "flip":
        at = rng.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])
    elif kind == "cut":
        path.write_bytes(data[: rng.randrange(len(data))])
    elif kind == "drop":
        path.write_bytes(b"".join(lines[:a] + lines[b:]))
    elif kind == "swap":
        lines[a], lines[b] = lines[b], lines[a]
        path.write_bytes(b"".join(lines))
    elif kind == "copy":
        path.write_bytes(b"".join([*lines[:b], lines[a], *lines[b:]]))
    elif kind == "insert":
        junk = rng.choice(
            [b"\n", b"{}\n", b"null\n", b"[" * 5000 + b"\n", rng.randbytes(50), b'{"sequence":1e999}\n']
        )
        path.write_bytes(b"".join([*lines[:a], junk, *lines[a:]]))
    elif kind == "space":
        at = rng.randrange(len(data) + 1)
        path.write_bytes(data[:at] + rng.choice([b" ", b"\t", b"\r", b"\n", b"\0"]) + data[at:])
    elif kind == "field":
        values = json.loads(lines[a])
        name = rng.choice(sorted(values))
        values[name] = rng.choice([None, 1, "x", [], {}, -1, 2**70, "0" * 64])
        path.write_bytes(b"".join([*lines[:a], entries.canonical(values) + b"\n", *lines[a + 1 :]]))
    elif kind == "file":
        path.unlink()
    else:
        other = folder / ("head.json" if kind == "head" else "key")
        data, at = other.read_bytes(), rng.randrange(65)
        flipped = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        other.write_bytes(rng.choice([b"", data[:-1], data + b"\n", flipped, b"[" * 100_000]))
    return kind


def test_a_thousand_mutations_are_all_found_and_none_is_a_traceback(
    tmp_path: Path, clock: Callable[[datetime], None]
) -> None:
    log = filled(tmp_path / "log", 4)
    log.erase("asked for", request="r1")
    clock(datetime.now(UTC) + timedelta(days=40))  # another segment
    log.extend([request(8), outcome(8), request(9)])
    assert len(list((tmp_path / "log").glob("*.jsonl"))) == 2
    assert verify(tmp_path / "log") == []
    whole = {path.name: path.read_bytes() for path in (tmp_path / "log").iterdir()}
    rng = random.Random(7)
    for trial in range(1000):
        kind = _mutated(tmp_path / "log", rng)
        now = {path.name: path.read_bytes() for path in (tmp_path / "log").iterdir()}
        assert now == whole or verify(tmp_path / "log"), f"{kind} in trial {trial}"
        for name, data in whole.items():
            if now.get(name) != data:
                (tmp_path / "log" / name).write_bytes(data)
    assert verify(tmp_path / "log") == []


@pytest.mark.parametrize("harm", ["edit", "end", "key", "head"])
def test_nothing_is_added_to_a_damaged_log(tmp_path: Path, harm: str) -> None:
    log = filled(tmp_path)
    path, lines = lines_of(tmp_path)
    if harm == "edit":
        path.write_bytes(b"".join([*lines[:-1], lines[-1].replace(b"0.25", b"0.26")]))
    elif harm == "end":
        path.write_bytes(b"".join(lines[:-1]))
    else:
        (tmp_path / {"key": "key", "head": "head.json"}[harm]).unlink()
    with pytest.raises(RecordError, match=r"damaged|missing"):
        (RecordLog.open(tmp_path) if harm == "key" else log).append(outcome(9))


# Crashes, crowds, full disks


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_half_written_entry_is_told_and_cut_off_by_the_next(tmp_path: Path, cut: int) -> None:
    log = filled(tmp_path, 2)
    path, lines = lines_of(tmp_path)
    with path.open("ab") as file:
        file.write(lines[-1][:cut])
    (problem,) = verify(tmp_path)
    assert problem.crash and problem.line == len(lines) + 1
    log.append(outcome(9))
    assert verify(tmp_path) == []
    repair = next(entry for entry in log.read() if entry.kind == "repair")
    assert f"{cut} bytes" in repair.note


def test_a_crash_between_the_lines_and_the_head_loses_nothing(tmp_path: Path) -> None:
    log = filled(tmp_path, 2)
    head = (tmp_path / "head.json").read_bytes()
    log.extend([request(5), outcome(5)])
    (tmp_path / "head.json").write_bytes(head)
    assert [problem.crash for problem in verify(tmp_path)] == [True]
    log.append(outcome(6))
    assert verify(tmp_path) == []
    assert [entry.request for entry in log.read()][-3:] == ["r5", "r5", "r6"]


def test_an_erasure_that_was_announced_and_not_done_is_done_by_pruning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = filled(tmp_path, 3)
    with monkeypatch.context() as broken:
        broken.setattr("ornstein.guard.records.removal._scrub", lambda *_: None)
        log.erase("asked", request="r1")
    (tmp_path / ".00000001.jsonl.1.part").write_text("what was to go")
    assert [problem.crash for problem in verify(tmp_path)] == [True]
    log.prune()
    assert verify(tmp_path) == []
    assert not list(tmp_path.glob(".*.part"))


def _write_many(folder: Path, worker: int) -> None:
    log = RecordLog.open(folder)
    for number in range(15):
        log.append(request(100 * worker + number))


def test_processes_and_threads_write_side_by_side(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    many = [context.Process(target=_write_many, args=(tmp_path, k)) for k in range(2)]
    many += [threading.Thread(target=_write_many, args=(tmp_path, k)) for k in (2, 3)]
    for each in many:
        each.start()
    for each in many:
        each.join()
    assert verify(tmp_path) == []
    requests = [entry.request for entry in RecordLog.open(tmp_path).read() if entry.kind == "request"]
    assert sorted(requests) == sorted(
        f"r{100 * worker + number}" for worker in range(4) for number in range(15)
    )
    assert sum(entry.kind == "start" for entry in RecordLog.open(tmp_path).read()) == 1


def test_a_writer_that_is_killed_leaves_a_log_that_goes_on(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from ornstein.guard.records import Event, RecordLog\n"
        "log = RecordLog.open(Path(sys.argv[1]))\n"
        "while True:\n    log.append(Event(kind='outcome', request='r')); print(flush=True)"
    )
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
        for _ in range(5):
            process.stdout.readline()
        process.kill()
        process.communicate()
        assert all(problem.crash for problem in verify(tmp_path))
        RecordLog.open(tmp_path).append(outcome(1))
        assert verify(tmp_path) == []


def test_a_disk_that_fills_up_is_one_error_and_no_half_entry(tmp_path: Path) -> None:
    log = filled(tmp_path, 2)
    size, hard = next(tmp_path.glob("*.jsonl")).stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 300, hard))
    try:
        with pytest.raises(RecordError, match="cannot use the records"):
            log.append(request(5))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert verify(tmp_path) == []
    log.append(request(5))
    assert verify(tmp_path) == []


def test_an_append_reads_no_more_of_a_long_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = filled(tmp_path, 40)
    monkeypatch.setattr(writing, "walk", lambda *_: pytest.fail("the whole log was read"))
    log.append(outcome(1))
