"""The log of requests: what is kept of a prompt, what erasing takes away and what it leaves, what goes with time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ornstein.errors import UsageError
from ornstein.guard.policy import Records
from ornstein.guard.records import RecordLog, verify
from ornstein.guard.records import entry as entries
from ornstein.guard.records import writer as writing
from ornstein.guard.records.export import jsonl, table
from tests.guard.logs import DENIED, SETTINGS, clock, digest, filled, lines_of, outcome, request, text_of

__all__ = ["clock"]

# What is kept


def test_a_log_that_was_written_verifies_and_reads_back(tmp_path: Path) -> None:
    log = filled(tmp_path)
    assert verify(tmp_path) == []
    found = list(log.read())
    assert [entry.sequence for entry in found] == list(range(1, 14))
    assert found[0].kind == "start"
    assert found[1].settings == SETTINGS
    assert found[1].decisions[0].rule == "weapons"
    assert found[2].outputs == (digest(0),)
    assert log.of_output(digest(3)).request == "r3"
    assert log.of_output("00" * 32) is None


@pytest.mark.parametrize("kept", ["hash", "none"])
def test_without_leave_no_word_of_a_prompt_reaches_the_disk(tmp_path: Path, kept: str) -> None:
    RecordLog.open(tmp_path, Records(prompts=kept)).append(request(1, "zebra crossing"))
    for words in ("zebra", "crossing", "blue", "secret"):
        assert words not in text_of(tmp_path)


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
    assert hashlib.sha256(b"a red apple").hexdigest() not in text_of(tmp_path / "a")
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


# Erasing


def test_erasing_takes_what_is_personal_and_the_chain_holds(tmp_path: Path) -> None:
    log = filled(tmp_path, kept=Records(prompts="clear", days=None))
    before = {entry.sequence: entry.hash for entry in log.read()}
    assert log.erase("the person asked", request="r2") == 1
    assert "prompt number 2" not in text_of(tmp_path)
    assert "1234502" not in text_of(tmp_path)
    assert "prompt number 3" in text_of(tmp_path)
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
    path, lines = lines_of(tmp_path)
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


# The command


def test_an_export_is_the_log_or_a_table_without_formulas(tmp_path: Path) -> None:
    log = RecordLog.open(tmp_path, Records(prompts="clear"))
    log.append(request(1, '=HYPERLINK("http://x","y")'))
    assert "".join(jsonl(log.read())) == text_of(tmp_path)
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
    path, lines = lines_of(folder)
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
