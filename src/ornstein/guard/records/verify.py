"""Does the log still say what was written? Every line, the order, the end, and what was erased."""

from __future__ import annotations

import bisect
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ornstein.config import parse
from ornstein.guard.records.entry import GENESIS, Entry, chained, commitment, seal
from ornstein.guard.records.files import (
    HEAD,
    KEY,
    SEGMENT,
    Head,
    RecordError,
    Segment,
    read_head,
    read_key,
    read_object,
    snapshot,
)


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was written.

    Attributes:
        file: name in the folder. line: of it, from 1; None for the whole file. what: is wrong.
        crash: whether a machine that stopped midway explains it; the next entry, or pruning, then repairs it.
    """

    file: str
    line: int | None
    what: str
    crash: bool = False

    def __str__(self) -> str:
        return f"{self.file}{f' line {self.line}' if self.line else ''}: {self.what}"


@dataclass
class Walk:
    """What one pass over the log finds out.

    Attributes:
        anchor: number and hash of an entry that was noted elsewhere, until it is found.
        first: number of the first entry. last: the last whole one.
        torn: file of a half-written entry after it, and the bytes before that.
        bare: numbers of entries that lost their payload, with their places.
        held: numbers of entries that have theirs, with their places and times.
        segments: file, number of the last entry and time of the newest, of each segment.
        covered: runs of numbers that erasures account for. through: number up to which entries may be gone.
        head: None where it is missing or was changed.
    """

    key: bytes | None
    anchor: tuple[int, str] | None = None
    problems: list[Problem] = field(default_factory=list)
    first: int | None = None
    last: Entry | None = None
    torn: tuple[Path, int] | None = None
    bare: dict[int, tuple[str, int]] = field(default_factory=dict)
    held: dict[int, tuple[tuple[str, int], str]] = field(default_factory=dict)
    segments: dict[Path, tuple[int, str]] = field(default_factory=dict)
    covered: list[tuple[int, int]] = field(default_factory=list)
    through: int = 0
    head: Head | None = None

    @property
    def damaged(self) -> Problem | None:
        """The first problem that no crash explains."""
        return next((problem for problem in self.problems if not problem.crash), None)

    def erased(self, number: int) -> bool:
        """Whether an erasure accounts for the payload of an entry."""
        index = bisect.bisect_right(self.covered, (number, math.inf)) - 1
        return index >= 0 and number <= self.covered[index][1]

    def say(self, place: tuple[str, int | None], what: str, crash: bool = False) -> None:
        """Note a problem."""
        self.problems.append(Problem(*place, what, crash))


def walk(folder: Path, anchor: tuple[int, str] | None = None, limit: int | None = None) -> Walk:
    """Read the log.

    Args:
        folder: of the log.
        anchor: number and hash of an entry, noted elsewhere; without one, a folder that was put back whole to an
            earlier state looks right.
        limit: read so many segments only, and ask of each line alone whether it is as it was written.
    """
    try:
        found = Walk(read_key(folder), anchor)
        if found.key is None:
            found.say(
                (KEY, None),
                "it is missing, so nobody can tell who wrote the entries; the chain alone was checked",
            )
        elif os.name == "posix" and (folder / KEY).stat().st_mode & 0o077:
            found.say(
                (KEY, None),
                f"others can read it, and so write entries of their own: chmod 600 {folder / KEY}",
            )
    except RecordError as error:
        found = Walk(None, anchor)
        found.say((KEY, None), str(error))
    with snapshot(folder) as (segments, head):
        for index, segment in enumerate(segments[:limit]):
            _segment(found, segment, final=index == len(segments) - 1)
    if limit is not None:
        return found
    _removals(found)
    _end(found, head)
    if found.anchor is not None and found.anchor[0] > found.through:
        found.say(
            (HEAD, None),
            f"entry {found.anchor[0]} is not the one that was noted: another log, or an old copy",
        )
    return found


def _segment(found: Walk, segment: Segment, final: bool) -> None:
    name, offset, known = segment.path.name, 0, True
    if not SEGMENT.fullmatch(name):
        found.say((name, None), "it is no part of the log")
        return
    for number, line in segment.lines():
        if not line.endswith(b"\n"):
            found.torn = (segment.path, offset) if final else None
            found.say((name, number), f"{len(line)} bytes of an entry that was never finished", crash=final)
            return
        offset += len(line)
        entry = _entry(found, (name, number), line[:-1])
        if entry is None:
            known = False
            continue
        if number == 1 and entry.sequence != int(segment.path.stem):
            found.say(
                (name, 1), f"entry {entry.sequence} stands in a segment that begins with {segment.path.stem}"
            )
        _order(found, (name, number), entry, known)
        newest = max(entry.time, found.segments.get(segment.path, (0, ""))[1])
        found.segments[segment.path] = entry.sequence, newest
        known = True


def _entry(found: Walk, place: tuple[str, int], line: bytes) -> Entry | None:
    """The entry of a line, None where it has none; what is wrong with it alone is noted."""
    try:
        values = read_object(line)
        entry = parse(Entry, values)
    except ValueError as error:
        found.say(place, f"it is no entry: {' '.join(str(error).split())[:120]}")
        return None
    if chained(values) != entry.hash:
        found.say(place, f"entry {entry.sequence} was changed")
    elif found.key is not None and seal(found.key, "seal", entry.hash) != entry.seal:
        found.say(place, f"entry {entry.sequence} is not sealed with the key of this log")
    elif entry.removed is not None:
        found.covered += entry.removed.payloads
        found.through = max(found.through, entry.removed.through)
    _check_payload(found, place, entry, values)
    return entry


def _check_payload(found: Walk, place: tuple[str, int], entry: Entry, values: Mapping[str, Any]) -> None:
    payload, salt = values.get("payload"), entry.salt
    if (payload is None) != (salt is None) or (payload is not None and entry.commitment is None):
        found.say(place, f"the payload of entry {entry.sequence} was changed")
    elif payload is not None and salt is not None:
        found.held[entry.sequence] = place, entry.time
        if commitment(salt, payload) != entry.commitment:
            found.say(place, f"the payload of entry {entry.sequence} was changed")
    elif entry.commitment is not None:
        found.bare[entry.sequence] = place


def _order(found: Walk, place: tuple[str, int], entry: Entry, known: bool) -> None:
    """Compare an entry with the last one; `known` is whether the line before it was an entry."""
    before = found.last
    if before is None:
        found.first = entry.sequence
        if entry.sequence == 1 and entry.previous != GENESIS:
            found.say(place, "the first entry follows another")
    elif entry.sequence <= before.sequence:
        found.say(
            place, f"entry {entry.sequence} stands after entry {before.sequence}: a copy, or out of order"
        )
    elif known and entry.sequence > before.sequence + 1:
        missing = f"{before.sequence + 1} to {entry.sequence - 1}"
        found.say(place, f"before it entries are missing: {missing}")
    elif known and entry.previous != before.hash:
        found.say(place, f"entry {entry.sequence} does not follow entry {before.sequence}")
    found.last = entry
    if found.anchor == (entry.sequence, entry.hash):
        found.anchor = None


def _removals(found: Walk) -> None:
    """Compare what is gone with what the log says was taken away."""
    found.covered = merged(found.covered)
    for number, place in found.bare.items():
        if not found.erased(number):
            found.say(place, f"entry {number} has lost its payload, and no erasure says so")
    for number, (place, _) in found.held.items():
        if found.erased(number):
            found.say(
                place,
                f"entry {number} was erased and still has its payload: ornstein records prune ends it",
                True,
            )
    first = found.first
    if first is not None and first > found.through + 1:
        found.say((HEAD, None), f"the log begins with entry {first}: entries before it are missing")
    elif first is not None and first <= found.through:
        found.say(
            (HEAD, None), f"entries up to {found.through} are due to go: ornstein records prune ends it", True
        )


def merged(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs of numbers, first and last, as the fewest that hold the same numbers; ascending."""
    out: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if out and first <= out[-1][1] + 1:
            out[-1] = out[-1][0], max(out[-1][1], last)
        else:
            out.append((first, last))
    return out


def _end(found: Walk, data: bytes | None) -> None:
    """Compare the last entry with the head."""
    place, count, last = (HEAD, None), 0, GENESIS
    if found.last is not None:
        count, last = found.last.sequence, found.last.hash
    if data is None:
        found.say(place, "it is missing, so the log's end may be, too")
        return
    if found.key is None:
        return
    try:
        found.head = read_head(data, found.key)
    except ValueError as error:
        found.say(place, f"it was changed: {' '.join(str(error).split())[:120]}")
        return
    if found.head.count > count:
        found.say(place, f"entries {count + 1} to {found.head.count} are missing from the end")
    elif found.head.count < count:
        found.say(place, f"it ends with entry {found.head.count}, the log with {count}", crash=True)
    elif found.head.hash != last:
        found.say(place, f"entry {count} is not the one that was written last")
