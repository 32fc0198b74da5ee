"""Taking away what is personal: on request, and when its time is over.

First an entry says what will be gone, then it goes; a machine that stops in between leaves it to the next pruning.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from ornstein.guard.records import entry as entries
from ornstein.guard.records.entry import Removed, canonical, plain, stamp
from ornstein.guard.records.files import LONGEST_LINE, durable, read_object, segment_files, sync_folder
from ornstein.guard.records.verify import Walk, merged
from ornstein.guard.records.writer import Writer

RUNS = 10_000  # of numbers in one entry, which stays a short line


def erase(writer: Writer, numbers: Sequence[int], reason: str) -> None:
    """Take the payloads of these entries away."""
    found = writer.walk()
    _announce(writer, found, "erasure", numbers, 0, reason)
    _scrub(writer, found)


def prune(writer: Writer, days: int | None) -> tuple[int, int]:
    """Take away the payloads older than `days`, and segments of which nothing is younger; end what a crash left.

    Returns:
        How many payloads and how many whole entries went.
    """
    writer.tip()  # repairs
    found = writer.walk()
    gone = _expire(writer, found, days) if days is not None else (0, 0)
    _scrub(writer, found)
    return gone


def prune_quickly(writer: Writer, days: int) -> None:
    """As ``prune``, reading only the segments that begin before the time that is over: seldom more than two."""
    begun = itertools.takewhile(lambda path: _first_time(path) < _cutoff(days), segment_files(writer.folder))
    if limit := len(list(begun)):
        found = writer.walk(limit)
        _expire(writer, found, days)
        _scrub(writer, found)


def _expire(writer: Writer, found: Walk, days: int) -> tuple[int, int]:
    cutoff, through, written_to = _cutoff(days), 0, segment_files(writer.folder)[-1]
    for path, (number, newest) in found.segments.items():
        if newest >= cutoff or path == written_to:
            break
        through = number
    old = [number for number, (_, time) in found.held.items() if through < number and time < cutoff]
    if old or through:
        _announce(writer, found, "retention", old, through, f"kept for {days} days")
    return len(old), through + 1 - found.first if through and found.first else 0


def _cutoff(days: int) -> str:
    return stamp(entries.now() - timedelta(days=days))


def _first_time(path: Path) -> str:
    with path.open("rb") as file:
        line = file.readline(LONGEST_LINE)
    try:
        return read_object(line.removesuffix(b"\n"))["time"]
    except (ValueError, KeyError):
        return ""  # reading it whole says what is wrong


def _announce(
    writer: Writer, found: Walk, kind: str, numbers: Sequence[int], through: int, note: str
) -> None:
    runs = _runs(numbers, list(found.held))
    said = [
        Removed(payloads=tuple(runs[at : at + RUNS]), through=through)
        for at in range(0, len(runs) or 1, RUNS)
    ]
    writer.write([{"kind": kind, "note": note, "removed": plain(removed)} for removed in said])
    found.covered = merged([*found.covered, *runs])
    found.through = max(found.through, through)


def _runs(numbers: Sequence[int], held: Sequence[int]) -> list[tuple[int, int]]:
    """Numbers as runs, first and last; one goes on over entries that have no payload to lose."""
    chosen, out, before = set(numbers), [], False
    for number in held:
        if number in chosen:
            out.append((out.pop()[0], number) if before else (number, number))
        before = number in chosen
    return out


def _scrub(writer: Writer, found: Walk) -> None:
    """Do what was announced."""
    for left in writer.folder.glob(".*.part"):
        left.unlink()  # of a writer that was killed; it may hold what is to go
    for path, (last, _) in found.segments.items():
        if last <= found.through:
            path.unlink()
    names = {place[0] for number, (place, _) in found.held.items() if found.erased(number)}
    for path in segment_files(writer.folder):
        if path.name in names:
            lines = path.read_bytes().splitlines(keepends=True)
            durable(path, b"".join(_without_payload(line, found) for line in lines))
    sync_folder(writer.folder)


def _without_payload(line: bytes, found: Walk) -> bytes:
    values = read_object(line.removesuffix(b"\n"))
    if not found.erased(values["sequence"]):
        return line
    return (
        canonical({name: value for name, value in values.items() if name not in ("payload", "salt")}) + b"\n"
    )
