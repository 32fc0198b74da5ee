"""The log of requests: what is kept of a prompt, what is found out, what erasing leaves, what a crash leaves."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
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

from ornstein.errors import UsageError
from ornstein.guard.decision import Decision, Finding
from ornstein.guard.policy import Records
from ornstein.guard.records import Event, RecordError, RecordLog, Settings, verify
from ornstein.guard.records import entry as entries
from ornstein.guard.records import writer as writing
from ornstein.guard.records.export import jsonl, table

SETTINGS = Settings(sampler="ddim", steps=10, guidance=3.0, size=64, model="ab" * 32)
DENIED = Decision(
    stage="prompt", action="deny", rule="weapons", reason="weapons are not drawn here",
    finding=Finding(checker="words", label="weapons", where="my secret gun"), changed="my secret flower",
)  # fmt: skip


def request(number: int, prompt: str = "a red apple") -> Event:
    return Event(
        kind="request", request=f"r{number}", prompt=prompt, negative="blue", seed=1234500 + number,
        settings=SETTINGS, policy="cd" * 32, decisions=(DENIED,), inputs=("ef" * 32,),
    )  # fmt: skip


def outcome(number: int) -> Event:
    return Event(kind="outcome", request=f"r{number}", outputs=(_digest(number),), seconds=0.25)


def _digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def filled(folder: Path, count: int = 6, kept: Records | None = None) -> RecordLog:
    log = RecordLog.open(folder, kept or Records(days=None))
    for number in range(count):
        log.extend([request(number, f"prompt number {number}"), outcome(number)])
    return log


def text(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.glob("*.jsonl")))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the clock that entries are stamped by."""
    return lambda time: monkeypatch.setattr(entries, "now", lambda: time)


# What is kept


def test_a_log_that_was_written_verifies_and_reads_back(tmp_path: Path) -> None:
    log = filled(tmp_path)
    assert verify(tmp_path) == []
    found = list(log.read())
    assert [entry.sequence for entry in found] == list(range(1, 14))
    assert found[0].kind == "start"
    assert found[1].settings == SETTINGS
    assert found[1].decisions[0].rule == "weapons"
    assert found[2].outputs == (_digest(0),)
    assert log.of_output(_digest(3)).request == "r3"
    assert log.of_output("00" * 32) is None


@pytest.mark.parametrize("kept", ["hash", "none"])
def test_without_leave_no_word_of_a_prompt_reaches_the_disk(tmp_path: Path, kept: str) -> None:
    RecordLog.open(tmp_path, Records(prompts=kept)).append(request(1, "zebra crossing"))
    for words in ("zebra", "crossing", "blue", "secret"):
        assert words not in text(tmp_path)


def test_in_clear_prompt_and_matched_words_stand_in_the_payload_alone(tmp_path: Path) -> None:
    entry = RecordLog.open(tmp_path, Records(prompts="clear")).append(request(1, "zebra crossing"))
    assert (entry.payload.prompt, entry.payload.negative, entry.payload.seed) == (
        "zebra crossing",
        "blue",
        1234501,
    )
    assert entry.payload.decisions == (DENIED,)
    assert "secret" not in entry.model_copy(update={"payload": None}).model_dump_json()


def test_a_hashed_prompt_can_be_checked_with_the_key_alone(tmp_path: Path) -> None:
    first, second = (RecordLog.open(tmp_path / name).append(request(1)) for name in "ab")
    assert first.payload.prompt_hash != second.payload.prompt_hash  # each log has a key of its own
    assert hashlib.sha256(b"a red apple").hexdigest() not in text(tmp_path / "a")
    key = bytes.fromhex((tmp_path / "a" / "key").read_text())
    assert entries.hash_prompt(key, " a  red apple") == first.payload.prompt_hash


def test_the_key_and_the_log_are_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    filled(folder, 1)
    for path in (folder, *folder.iterdir()):
        assert path.stat().st_mode & 0o077 == 0
    (folder / "key").chmod(0o644)
    assert "others can read it" in str(verify(folder)[0])


@pytest.mark.parametrize("prompt", ["\ud800 lone", "", "x" * 50_000, 'quote " \\ \n \u2028 line', "ش🍎"])
def test_any_text_can_be_recorded(tmp_path: Path, prompt: str) -> None:
    log = RecordLog.open(tmp_path, Records(prompts="clear"))
    log.append(request(1, prompt))
    log.append(outcome(1))
    assert verify(tmp_path) == []


# What is found out


def _lines(folder: Path) -> tuple[Path, list[bytes]]:
    path = sorted(folder.glob("*.jsonl"))[0]
    return path, path.read_bytes().splitlines(keepends=True)


def test_edits_drops_and_reorderings_are_named_with_their_line(tmp_path: Path) -> None:
    filled(tmp_path / "log")
    path, lines = _lines(tmp_path / "log")
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
    path, lines = _lines(tmp_path)
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
    path, lines = _lines(tmp_path)
    if harm == "edit":
        path.write_bytes(b"".join([*lines[:-1], lines[-1].replace(b"0.25", b"0.26")]))
    elif harm == "end":
        path.write_bytes(b"".join(lines[:-1]))
    else:
        (tmp_path / {"key": "key", "head": "head.json"}[harm]).unlink()
    with pytest.raises(RecordError, match=r"damaged|missing"):
        (RecordLog.open(tmp_path) if harm == "key" else log).append(outcome(9))


# Erasing


def test_erasing_takes_what_is_personal_and_the_chain_holds(tmp_path: Path) -> None:
    log = filled(tmp_path, kept=Records(prompts="clear", days=None))
    before = {entry.sequence: entry.hash for entry in log.read()}
    assert log.erase("the person asked", request="r2") == 1
    assert "prompt number 2" not in text(tmp_path)
    assert "1234502" not in text(tmp_path)
    assert "prompt number 3" in text(tmp_path)
    assert verify(tmp_path) == []
    found = {entry.sequence: entry for entry in log.read()}
    assert {number: found[number].hash for number in before} == before
    erasure = found[max(found)]
    assert (erasure.kind, erasure.note, erasure.removed.payloads) == (
        "erasure",
        "the person asked",
        ((6, 6),),
    )
    assert found[6].settings == SETTINGS and found[6].payload is None


@pytest.mark.parametrize("kept", ["clear", "hash"])
def test_a_prompt_is_erased_wherever_it_was_asked_for(tmp_path: Path, kept: str) -> None:
    log = RecordLog.open(tmp_path, Records(prompts=kept))
    for number, prompt in enumerate(["a cat", "a dog", "a  cat", "a cat and a dog"]):
        log.append(request(number, prompt))
    assert log.erase("asked", prompt=" a cat ") == 2
    assert [entry.request for entry in log.read() if entry.payload] == ["r1", "r3"]
    assert verify(tmp_path) == []


def test_a_payload_that_vanishes_without_an_erasure_or_comes_back_after_one_is_found(tmp_path: Path) -> None:
    log = filled(tmp_path)
    path, lines = _lines(tmp_path)
    values = json.loads(lines[5])
    bare = entries.canonical({k: v for k, v in values.items() if k not in ("payload", "salt")}) + b"\n"
    path.write_bytes(b"".join([*lines[:5], bare, *lines[6:]]))
    assert "has lost its payload, and no erasure says so" in str(verify(tmp_path)[0])
    path.write_bytes(b"".join(lines))
    log.erase("asked", request="r2")
    erased = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*erased[:5], lines[5], *erased[6:]]))
    assert "was erased and still has its payload" in str(verify(tmp_path)[0])
    log.prune()
    assert verify(tmp_path) == []
    assert path.read_bytes().splitlines(keepends=True)[5] == bare


def test_erasing_nothing_or_without_a_reason_is_a_mistake(tmp_path: Path) -> None:
    log = filled(tmp_path, 2)
    for reason, which in (
        ("why", {"request": "r99"}),
        ("why", {}),
        (" ", {"request": "r1"}),
        ("why", {"prompt": "x"}),
    ):
        with pytest.raises(UsageError):
            log.erase(reason, **which)
    assert sum(entry.kind == "erasure" for entry in log.read()) == 0


def test_alternate_entries_are_erased_in_few_runs(tmp_path: Path) -> None:
    log = filled(tmp_path, 30)
    assert log.erase("all", before=datetime.now(UTC) + timedelta(days=1)) == 30
    (erasure,) = [entry for entry in log.read() if entry.kind == "erasure"]
    assert len(erasure.removed.payloads) == 1  # outcomes in between have nothing to lose
    assert verify(tmp_path) == []


# Retention


def test_payloads_go_after_their_days_and_months_go_whole(
    tmp_path: Path, clock: Callable[[datetime], None]
) -> None:
    begin = datetime(2026, 1, 10, tzinfo=UTC)
    clock(begin)
    log = filled(tmp_path, 2, Records(days=30))
    for days in (15, 25, 45):  # 25 January, 4 February, 24 February
        clock(begin + timedelta(days=days))
        log.append(request(days))
    assert [path.name for path in sorted(tmp_path.glob("*.jsonl"))] == ["00000001.jsonl", "00000007.jsonl"]
    held = [entry.request for entry in log.read() if entry.payload]
    assert held == ["r15", "r25", "r45"]  # the first of a day prunes: 10 January was 45 days ago
    clock(begin + timedelta(days=48))
    log.append(outcome(48))
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["00000007.jsonl"]  # all of January is too old
    assert [entry.request for entry in log.read() if entry.payload] == ["r25", "r45"]
    assert verify(tmp_path) == []
    assert log.prune() == (0, 0)
    log.append(request(51))
    assert verify(tmp_path) == []


def test_a_month_that_vanishes_before_its_time_is_found(
    tmp_path: Path, clock: Callable[[datetime], None]
) -> None:
    clock(datetime(2026, 1, 10, tzinfo=UTC))
    log = filled(tmp_path, 2)
    clock(datetime(2026, 2, 10, tzinfo=UTC))
    log.append(request(3))
    (tmp_path / "00000001.jsonl").unlink()
    assert "the log begins with entry 6" in str(verify(tmp_path)[0])


def test_a_clock_set_back_harms_nothing(tmp_path: Path, clock: Callable[[datetime], None]) -> None:
    clock(datetime(2026, 5, 10, tzinfo=UTC))
    log = filled(tmp_path, 2, Records(days=30))
    clock(datetime(2026, 4, 2, tzinfo=UTC))
    log.append(request(3))
    clock(datetime(2026, 5, 11, tzinfo=UTC))
    log.append(request(4))
    log.prune()
    assert verify(tmp_path) == []
    assert [entry.request for entry in log.read() if entry.payload] == ["r0", "r1", "r4"]


def test_a_segment_that_has_grown_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 3000)
    filled(tmp_path, 6)
    assert len(list(tmp_path.glob("*.jsonl"))) > 2
    assert verify(tmp_path) == []


# Crashes, crowds, full disks


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_half_written_entry_is_told_and_cut_off_by_the_next(tmp_path: Path, cut: int) -> None:
    log = filled(tmp_path, 2)
    path, lines = _lines(tmp_path)
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


# The command


def test_an_export_is_the_log_or_a_table_without_formulas(tmp_path: Path) -> None:
    log = RecordLog.open(tmp_path, Records(prompts="clear"))
    log.append(request(1, '=HYPERLINK("http://x","y")'))
    assert "".join(jsonl(log.read())) == text(tmp_path)
    row = list(table(log.read()))[2]
    assert ",\"'=HYPERLINK(" in row


def test_the_command_verifies_erases_and_says_what_is_wrong(
    tmp_path: Path, ornstein: Callable[..., object]
) -> None:
    folder = tmp_path / "log"
    log = filled(folder, 3)
    told = ornstein("records", "verify", "--folder", folder)
    assert (told.code, told.out) == (0, "the records are as they were written\n")
    anchor = "{}:{}".format(*log.tip())
    assert anchor in ornstein("records", "show", "--folder", folder).out
    assert ornstein("records", "verify", "--anchor", anchor, "--folder", folder).code == 0
    assert ornstein("records", "erase", "r1", "--reason", "asked", "--folder", folder).code == 0
    assert '"kind": "request"' in ornstein("records", "show", "r1", "--folder", folder).out
    exported = ornstein("records", "export", "--format", "csv", "--until", "2020-01-01", "--folder", folder)
    assert len(exported.out.splitlines()) == 1
    path, lines = _lines(folder)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    told = ornstein("records", "verify", "--folder", folder)
    assert told.code == 1
    assert "00000001.jsonl line 3: before it entries are missing: 3 to 3" in told.out
    for arguments in (
        ("show", "nobody"), ("export", "--since", "yesterday"), ("verify", "--anchor", "1"),
        ("erase", "r1", "--prompt", "x", "--reason", "y"), ("verify", "--folder", tmp_path / "none"),
    ):  # fmt: skip
        told = ornstein("records", *arguments, *(() if "--folder" in arguments else ("--folder", folder)))
        assert told.code in (1, 2)
        assert len(told.err.splitlines()) == 1, arguments
    assert os.listdir(tmp_path) == ["log"]
