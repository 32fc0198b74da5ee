"""Logs to test with: entries, their files, their clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from ornstein.guard.decision import Decision, Finding
from ornstein.guard.policy import Records
from ornstein.guard.records import Event, RecordLog, Settings
from ornstein.guard.records import entry as entries

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
    return Event(kind="outcome", request=f"r{number}", outputs=(digest(number),), seconds=0.25)


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def filled(folder: Path, count: int = 6, kept: Records | None = None) -> RecordLog:
    log = RecordLog.open(folder, kept or Records(days=None))
    for number in range(count):
        log.extend([request(number, f"prompt number {number}"), outcome(number)])
    return log


def text_of(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.glob("*.jsonl")))


def lines_of(folder: Path) -> tuple[Path, list[bytes]]:
    path = sorted(folder.glob("*.jsonl"))[0]
    return path, path.read_bytes().splitlines(keepends=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the clock that entries are stamped by."""
    return lambda time: monkeypatch.setattr(entries, "now", lambda: time)
