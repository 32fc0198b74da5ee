"""Writing entries: each is chained to the one before, sealed, and on the disk before anybody goes on.

First the lines are written, then the head. A machine that stops in between leaves whole, sealed lines after it, or half
of one; the next writer adopts the former, cuts off the latter, and writes that down.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ornstein import __version__
from ornstein.config import parse
from ornstein.guard.records import entry as entries
from ornstein.guard.records.entry import GENESIS, Entry, canonical, chained, seal, stamp
from ornstein.guard.records.files import (
    HEAD,
    Head,
    RecordError,
    append,
    durable,
    head_bytes,
    last_line,
    make_key,
    read_head,
    read_key,
    read_object,
    segment_files,
)
from ornstein.guard.records.verify import Walk, walk

SEGMENT_BYTES = 16 << 20


@dataclass(frozen=True)
class Tip:
    """The end of the log: its head, the segment that holds the last entry, and that entry's time."""

    head: Head
    path: Path | None
    time: str


class Writer:
    """Writes to the log in a folder. Whoever calls it holds the lock."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder, self.key = folder, key

    @classmethod
    def begin(cls, folder: Path) -> Writer:
        """Of a folder in which a log is begun where there is none. Raises RecordError: its key is missing."""
        key, used = read_key(folder), (folder / HEAD).exists() or bool(segment_files(folder))
        if key is None and used:
            raise RecordError(
                f"the key of the records in {folder} is missing: restore it, or move the folder away"
            )
        writer = cls(folder, key or make_key(folder))
        if not used:
            writer.write_head(Head())
            writer.write([{"kind": "start", "note": f"ornstein {__version__}"}])
        return writer

    def write(self, many: Sequence[dict[str, Any]]) -> list[Entry]:
        """Chain, seal and write entries, given as plain values."""
        tip, time = self.tip(), stamp(entries.now())
        count, last = tip.head.count, tip.head.hash
        lines, written = [], []
        for values in many:
            count += 1
            values = {**values, "sequence": count, "time": time, "previous": last}
            last = values["hash"] = chained(values)
            values["seal"] = seal(self.key, "seal", last)
            lines.append(canonical(values) + b"\n")
            written.append(parse(Entry, values))
        append(self._segment(tip, time), b"".join(lines))
        self.write_head(tip.head.model_copy(update={"count": count, "hash": last}))
        return written

    def write_head(self, head: Head) -> None:
        """Replace the head."""
        durable(self.folder / HEAD, head_bytes(head, self.key))

    def tip(self) -> Tip:
        """Where the log ends, in time that does not depend on its length; what a crash left is repaired first."""
        try:
            head = read_head((self.folder / HEAD).read_bytes(), self.key)
            path = next(reversed(segment_files(self.folder)), None)
            last = read_object(last_line(path)) if path else None
            if (chained(last) if last else GENESIS) == head.hash:
                return Tip(head, path, last["time"] if last else "")
        except (ValueError, KeyError, FileNotFoundError):
            pass  # the repair says what is wrong
        self._repair()
        return self.tip()

    def walk(self, limit: int | None = None) -> Walk:
        """A pass over the log, or its first segments. Raises RecordError: damaged in a way that no crash explains."""
        found = walk(self.folder, limit=limit)
        if found.damaged is not None:
            raise RecordError(
                f"the records in {self.folder} are damaged ({found.damaged}): see ornstein records verify; "
                "to begin a new log, move the folder away"
            )
        return found

    def _repair(self) -> None:
        """Make head and last line agree."""
        found = self.walk()
        assert found.head is not None
        if found.last is not None:
            self.write_head(
                found.head.model_copy(update={"count": found.last.sequence, "hash": found.last.hash})
            )
        cut = 0
        if found.torn is not None:
            path, whole = found.torn
            cut = path.stat().st_size - whole
            os.truncate(path, whole)
        for path in segment_files(self.folder):
            if not path.stat().st_size:
                path.unlink()
        if cut:
            self.write(
                [{"kind": "repair", "note": f"{cut} bytes of an entry that was never finished were cut off"}]
            )

    def _segment(self, tip: Tip, time: str) -> Path:
        """Where the next entry goes: a new file each month, and when one has grown."""
        if tip.path and tip.time[:7] == time[:7] and tip.path.stat().st_size < SEGMENT_BYTES:
            return tip.path
        return self.folder / f"{tip.head.count + 1:08d}.jsonl"
