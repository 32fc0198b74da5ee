"""The folder of a log: key, head, segments, lock.

key               32 random bytes in hexadecimal, for the owner's eyes only
head.json         number and hash of the last entry, the day of the last pruning, sealed with the key
00000001.jsonl    entries, one a line; a segment is named after its first entry, a new one begins each month
lock              held by who writes
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from ornstein.config import Config, parse
from ornstein.data.atomic import new_file
from ornstein.errors import OrnsteinError
from ornstein.guard.records.entry import DIGEST, GENESIS, canonical, plain, seal

KEY, HEAD, LOCK = "key", "head.json", "lock"
SEGMENT = re.compile(r"\d{8,}\.jsonl")
LONGEST_LINE = 1 << 20  # bytes; an entry has about a thousand
TAIL = 1 << 14  # bytes in which the last entry is looked for first
PATIENCE = 30  # seconds that a writer waits for another
_TURNS: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
"""Of this process's threads: among them a lock is handed on at once; a file's is asked for again and again."""


class RecordError(OrnsteinError):
    """The log cannot be written or is damaged; without a record nothing is generated."""


class Head(Config):
    """Where the log ends, so that its end cannot be cut off unseen.

    Attributes:
        count: of entries ever written. hash: of the last one. pruned: day of the last pruning.
    """

    count: int = 0
    hash: str = GENESIS
    pruned: str = ""


@dataclass(frozen=True)
class Segment:
    """A file of entries, open for reading; what was written after it was opened is not read."""

    path: Path
    file: BinaryIO
    size: int

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Line numbers from 1, and lines with their newline; the last may lack it, and one too long comes in pieces."""
        left, number = self.size, 0
        while left > 0 and (line := self.file.readline(min(left, LONGEST_LINE))):
            left, number = left - len(line), number + 1
            yield number, line


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone in the folder, among processes and threads. Raises RecordError: no room, no permission, no turn."""
    turn = _TURNS[str(folder)]
    if not turn.acquire(timeout=PATIENCE):
        raise RecordError(f"the records in {folder} are written to by too many at once: try again later")
    try:
        with FileLock(folder / LOCK, timeout=PATIENCE, mode=0o600, is_singleton=True):
            yield  # a singleton counts, so a thread that holds it may take it again
    except Timeout as error:
        raise RecordError(
            f"the records in {folder} are locked by another process: try again later"
        ) from error
    finally:
        turn.release()


@contextmanager
def snapshot(folder: Path) -> Iterator[tuple[list[Segment], bytes | None]]:
    """The segments and the head's bytes as of one moment; writers need not wait while they are read."""
    with ExitStack() as open_files:
        with ExitStack() as alone:
            if os.access(folder, os.W_OK):  # an auditor's copy may be read-only: nobody writes there
                alone.enter_context(locked(folder))
            files = [(path, open_files.enter_context(path.open("rb"))) for path in segment_files(folder)]
            segments = [Segment(path, file, os.fstat(file.fileno()).st_size) for path, file in files]
            head = folder / HEAD
            head_bytes = head.read_bytes() if head.exists() else None
        yield segments, head_bytes


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Turns what the operating system refuses into RecordError."""
    try:
        yield
    except OSError as error:
        raise RecordError(f"cannot use the records in {folder}: {error.strerror or error}") from error


def segment_files(folder: Path) -> list[Path]:
    """The files of entries in their order, and whatever else is called ``*.jsonl``."""
    return sorted(folder.glob("*.jsonl"), key=lambda path: (len(path.name), path.name))


def last_line(path: Path) -> bytes:
    """The last line of a file without its newline; empty for an empty file. Raises ValueError: it was not finished."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for reach in (TAIL, LONGEST_LINE):
            file.seek(max(0, size - reach))
            tail = file.read()
            if tail and not tail.endswith(b"\n"):
                raise ValueError("it was not finished")
            _, newline, line = tail[:-1].rpartition(b"\n")
            if newline or len(tail) == size:
                return line
    raise ValueError("its last line is too long")


def append(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Add to a file and wait until the disk has it, all or nothing. Raises OSError."""
    with open(path, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags, mode)) as file:
        size, left = file.tell(), memoryview(data)
        try:
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise
    if not size:
        sync_folder(path.parent)


def read_key(folder: Path) -> bytes | None:
    """The log's key; None where there is none. Raises RecordError: it is damaged."""
    path = folder / KEY
    if not path.exists():
        return None
    text = path.read_bytes().decode("ascii", "replace")
    if not (text.endswith("\n") and DIGEST.fullmatch(text[:-1])):
        raise RecordError(
            f"the key {path} is damaged: restore it, or begin a new log by moving {folder} away"
        )
    return bytes.fromhex(text[:-1])


def make_key(folder: Path) -> bytes:
    """Draw and write a key."""
    text = secrets.token_hex(32)
    durable(folder / KEY, f"{text}\n".encode())
    sync_folder(folder)
    return bytes.fromhex(text)


def head_bytes(head: Head, key: bytes) -> bytes:
    """The head's file."""
    values = plain(head)
    return canonical({**values, "seal": seal(key, "head", canonical(values).decode())}) + b"\n"


def read_head(data: bytes, key: bytes) -> Head:
    """The head that a file says. Raises ValueError: it is not what a holder of the key wrote."""
    values = read_object(data.removesuffix(b"\n"))
    values.pop("seal", None)
    head = parse(Head, values)
    if head_bytes(head, key) != data:
        raise ValueError("its seal does not fit")
    return head


def read_object(data: bytes) -> dict[str, Any]:
    """A mapping from its canonical JSON. Raises ValueError: it is anything else."""
    try:
        values = json.loads(data)
        if not isinstance(values, dict) or canonical(values) != data:
            raise ValueError("it is not written as entries are")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return values


def durable(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file whole, for its owner alone unless `mode` says more, when the disk has its bytes. Raises OSError.

    Until ``sync_folder`` a power cut may bring the old file back, but never half of the new one.
    """
    with new_file(path) as part:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)


def sync_folder(folder: Path) -> None:
    """Wait until the disk knows the names in a folder."""
    if os.name == "nt":
        return  # a folder cannot be opened there
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
