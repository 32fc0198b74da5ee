"""The folder that bulk work fills: whatever kills the run, no row is lost and none stands there twice.

metadata.jsonl        a line a picture, in the order of the rows
refused.jsonl         a line for each picture that was held back, and why
00000/00000001.png    pictures, named after their row
.ornstein/job.json    what is made here; another job is refused
.ornstein/state.json  how many chunks of work are in the two files, and how long these then are
.ornstein/*-*.json    lines of finished batches, until their chunk is whole
.ornstein/lock        held by who writes

A batch is finished when its lines are written, after its pictures; they name the pictures' hashes, so that what a power
cut took is made again. A chunk is finished when the state says so, after the disk has its pictures and its lines have
been added to the two files; what stands in them beyond the lengths in the state was added by a run that was killed
before it could say so, and is cut off and added again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import Field

from ornstein.config import Config, parse
from ornstein.data.atomic import new_file
from ornstein.data.folder import METADATA
from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.records.files import append, durable, sync_folder
from ornstein.serve.bulk import table
from ornstein.serve.bulk.maker import Batch, Chunk, Line, place
from ornstein.serve.bulk.order import Job, Task

OWN, JOB, STATE, LOCK = ".ornstein", "job.json", "state.json", "lock"
REFUSED = "refused.jsonl"
READABLE = 0o666  # less what the umask takes away


class State(Config):
    """How far the work is.

    Attributes:
        chunks: that are finished. pictures, refused: in them. bytes: of the two files, by name.
    """

    chunks: int = 0
    pictures: int = 0
    refused: int = 0
    bytes: dict[str, int] = Field(default_factory=lambda: {METADATA: 0, REFUSED: 0})


class Results:
    """The folder of one job, held by this process: ``open`` it."""

    def __init__(self, folder: Path, job: Job, state: State) -> None:
        self.folder, self.job, self.state = folder, job, state
        self._parts: dict[int, dict[int, list[Line]]] = {}
        self._of: dict[int, int] = {}

    @classmethod
    @contextmanager
    def open(cls, folder: Path, job: Job) -> Iterator[Results]:
        """Begin a folder, or go on with it; nobody else writes there meanwhile.

        Raises:
            UsageError: it holds something else. OrnsteinError: another process writes to it, it was changed, or the
                disk refuses.
        """
        own = folder / OWN
        with _disk(folder):
            if folder.exists() and not own.is_dir() and (not folder.is_dir() or any(folder.iterdir())):
                raise UsageError(f"{folder} exists already and holds something else: choose another --out")
            own.mkdir(parents=True, exist_ok=True)
            lock = _alone(folder)
        try:
            with _disk(folder):
                results = cls._begun(folder, job)
            yield results
        finally:
            lock.release()

    @classmethod
    def _begun(cls, folder: Path, job: Job) -> Results:
        own = folder / OWN
        if (there := known(folder)) is not None:
            _refuse_other(folder, there, job)
        else:
            durable(own / JOB, job.model_dump_json(indent=1).encode(), READABLE)
            sync_folder(own)
        state = _read(State, own / STATE) if (own / STATE).exists() else State()
        results = cls(folder, job, state)
        results._mend()
        return results

    @property
    def finished(self) -> int:
        """Pictures that were made or held back so far."""
        counts = [len(lines) for parts in self._parts.values() for lines in parts.values()]
        return self.state.pictures + self.state.refused + sum(counts)

    def chunk(self, number: int, tasks: Sequence[Task]) -> Chunk:
        """A chunk of work, with what of it is finished."""
        parts = self._parts.get(number, {})
        held = tuple(place(line) for line in parts[0]) if 0 in parts else None
        return Chunk(number=number, tasks=tuple(tasks), held=held, done=tuple(sorted(parts)))

    def add(self, batch: Batch) -> None:
        """Write a finished batch, and each chunk that is whole with it. Raises OrnsteinError: the disk refuses."""
        if batch.chunk < self.state.chunks or batch.number in self._parts.get(batch.chunk, {}):
            return  # a worker that died had sent it already
        with _disk(self.folder):
            for name, data in batch.files.items():
                _write(self.folder / name, data)
            part = {"of": batch.of, "lines": batch.lines}
            _write(self._part(batch.chunk, batch.number), json.dumps(part).encode())
            self._note(batch.chunk, batch.number, batch.of, batch.lines)
            self._finish_chunks()

    def _note(self, chunk: int, number: int, of: int, lines: list[Line]) -> None:
        self._parts.setdefault(chunk, {})[number] = lines
        self._of[chunk] = of

    def _finish_chunks(self) -> None:
        """Move lines of whole chunks to the two files, in order."""
        while (number := self.state.chunks) in self._of and len(self._parts[number]) == self._of[number]:
            lines = sorted((line for part in self._parts[number].values() for line in part), key=place)
            made = [line for line in lines if "file_name" in line]
            refused = [line for line in lines if "file_name" not in line]
            self._sync([self.folder / line["file_name"] for line in made])
            sizes = {METADATA: self._append(METADATA, made), REFUSED: self._append(REFUSED, refused)}
            self.state = State(
                chunks=number + 1, pictures=self.state.pictures + len(made),
                refused=self.state.refused + len(refused), bytes=sizes,
            )  # fmt: skip
            durable(self.folder / OWN / STATE, self.state.model_dump_json().encode(), READABLE)
            sync_folder(self.folder / OWN)
            for part in self._parts.pop(number):
                self._part(number, part).unlink()
            del self._of[number]

    def _sync(self, files: list[Path]) -> None:
        """Wait until the disk has files and their names: once a chunk, when most of it is there anyway."""
        for file in files:
            with file.open("rb+") as stream:
                os.fsync(stream.fileno())
        for parent in {self.folder, *(file.parent for file in files)}:
            sync_folder(parent)

    def _append(self, name: str, lines: list[Line]) -> int:
        """Add lines to a file; how long it then is."""
        path = self.folder / name
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        if lines:
            append(path, text.encode(), READABLE)
        return path.stat().st_size if path.exists() else 0

    def _mend(self) -> None:
        """Take away what a killed run left half-done, and read what it finished."""
        for name, size in self.state.bytes.items():
            path = self.folder / name
            there = path.stat().st_size if path.exists() else 0
            if there < size:
                raise OrnsteinError(
                    f"{path} is shorter than it was written: restore it, or begin in another --out"
                )
            if there > size:
                os.truncate(path, size)
        for left in (*self.folder.glob(".*.part"), *self.folder.glob("*/.*.part")):
            left.unlink()
        for path in sorted((self.folder / OWN).glob("*-*.json")):
            chunk, number = (int(part) for part in path.stem.split("-"))
            if chunk < self.state.chunks:
                path.unlink()
            elif (part := self._whole(path)) is not None:
                self._note(chunk, number, *part)
        self._finish_chunks()

    def _whole(self, path: Path) -> tuple[int, list[Line]] | None:
        """What a finished batch says; None where a power cut took some of it, or of its pictures."""
        try:
            part = json.loads(path.read_bytes())
            for line in part["lines"]:
                if "file_name" in line and table.digest(self.folder / line["file_name"]) != line["sha256"]:
                    return None
        except (ValueError, OrnsteinError):
            return None
        return part["of"], part["lines"]

    def _part(self, chunk: int, number: int) -> Path:
        return self.folder / OWN / f"{chunk:08d}-{number:04d}.json"


def known(folder: Path) -> Job | None:
    """The job of a folder; None where none was begun. Raises OrnsteinError: it was changed."""
    path = folder / OWN / JOB
    return _read(Job, path) if path.exists() else None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    with new_file(path) as part:
        part.write_bytes(data)


def _alone(folder: Path) -> FileLock:
    """The folder's lock, held. Raises OrnsteinError: another process holds it."""
    lock = FileLock(folder / OWN / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OrnsteinError(
            f"another process writes to {folder}: wait for it, or choose another --out"
        ) from error
    return lock


def _refuse_other(folder: Path, there: Job, job: Job) -> None:
    """Raise UsageError where a folder holds another job."""
    was, now = _flat(there), _flat(job)
    differing = [_NAMES.get(name, name) for name in now if was.get(name) != now[name]]
    if differing:
        raise UsageError(
            f"{folder} holds other work ({', '.join(differing)} differed): give the same, or choose another --out"
        )


_NAMES = {"prompts": "the file of prompts", "rows": "its rows", "model": "the model", "policy": "the policy",
          "sampling": "the model's settings", "form": "the format"}  # fmt: skip


def _flat(job: Job) -> dict[str, Any]:
    values = job.model_dump(mode="json")
    order = values.pop("order")
    return {**values, **order.pop("settings"), **order}


def _read(kind: type[Any], path: Path) -> Any:
    try:
        return parse(kind, _json(path))
    except UsageError as error:
        raise OrnsteinError(f"{path} was changed ({error}): begin in another --out") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
        if isinstance(values, dict):
            return values
    except (ValueError, RecursionError):
        pass
    raise OrnsteinError(f"{path} was changed: begin in another --out")


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Turns what the operating system refuses into one line that says how to go on."""
    try:
        yield
    except OSError as error:
        raise OrnsteinError(
            f"cannot write {folder}: {error.strerror or error}; the same command goes on from here"
        ) from error
