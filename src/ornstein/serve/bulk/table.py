"""Files of rows, read one row at a time: however many there are, memory stays the same."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from ornstein.data.manifest import arrow
from ornstein.errors import OrnsteinError, UsageError

LONGEST = 1 << 20  # characters of a line; a prompt has at most two thousand
AT_ONCE = 1024  # rows of a Parquet file in memory


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV, JSON Lines or Parquet file as plain values, empty cells left out; the suffix decides.

    Raises:
        UsageError: another suffix, or a row that is none, by its number from 1. OrnsteinError: it cannot be read.
        MissingExtraError: Parquet without pyarrow.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path}: prompts are read from {', '.join(READERS)} files")
    try:
        for row in reader(path):
            yield {name: value for name, value in row.items() if not _empty(value)}
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: save it as UTF-8") from error
    except OSError as error:
        raise OrnsteinError(f"cannot read {path}: {error.strerror or error}") from error


def digest(path: Path) -> str:
    """Sha256 of a file. Raises OrnsteinError: it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OrnsteinError(f"cannot read {path}: {error.strerror or error}") from error


def _empty(value: Any) -> bool:
    """Nothing, an empty cell, or the number that is none: what pandas writes where a value is missing."""
    return value is None or value == "" or (isinstance(value, float) and value != value)


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(_lines(file, path), strict=True)
        try:
            names = list(reader.fieldnames or ())
            _refuse_columns(path, names)
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    raise UsageError(f"{path} row {number}: it has not as many cells as there are columns")
                yield row
        except csv.Error as error:
            raise UsageError(f"{path} line {reader.line_num}: {error}") from error


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    number = 0
    with path.open(encoding="utf-8-sig") as file:
        for line in _lines(file, path):
            if not line.strip():
                continue
            number += 1
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{path} row {number}: it is not JSON") from error
            if not isinstance(row, dict):
                raise UsageError(f'{path} row {number}: write a mapping, such as {{"prompt": "a red apple"}}')
            yield row


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    pa = arrow()
    try:
        with pa.parquet.ParquetFile(path) as file:
            _refuse_columns(path, file.schema_arrow.names)
            for batch in file.iter_batches(AT_ONCE, use_threads=False):
                yield from batch.to_pylist()
    except (pa.ArrowException, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} is not a whole Parquet file") from error


READERS: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {
    ".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet,
}  # fmt: skip


def _lines(file: TextIO | BinaryIO, path: Path) -> Iterator[Any]:
    while line := file.readline(LONGEST):
        if len(line) == LONGEST:
            raise UsageError(f"{path}: a line has more than {LONGEST:,} characters")
        yield line


def _refuse_columns(path: Path, names: list[str]) -> None:
    if "prompt" not in names:
        has = f"it has {', '.join(map(repr, names[:10]))}" if names else "it is empty"
        raise UsageError(f"{path} has no column 'prompt': {has}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"{path} has two columns {twice[0]!r}")
