"""Tables as files: CSV and Parquet in, data frames out, and back. Encodings and separators are found, never guessed
silently: what was assumed is a note.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ornstein.errors import MissingExtraError, OrnsteinError, UsageError, nearest

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".tsv", ".parquet")
SEPARATORS = ",;\t|"
LARGEST = 2 << 30  # bytes of a file
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?", "<NA>")


@dataclass(frozen=True)
class Read:
    """A table that was read: text stays text, so that types are found in one place; and what had to be assumed."""

    frame: pd.DataFrame
    notes: tuple[str, ...]


def pandas(what: str = "reading tables") -> Any:
    """The pandas module. Raises MissingExtraError."""
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError(what, "tables") from error
    return pandas


def read_table(path: Path) -> Read:
    """Read a .csv, .tsv or .parquet file.

    Cells of text files come as strings, missing ones as None (empty, NA, null, ? …); Parquet keeps its types.

    Raises:
        UsageError: no such file, another suffix, no row, or columns that share a name.
        OrnsteinError: it is damaged, or too large.
    """
    pd = pandas()
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} is no table: name a file that ends in {', '.join(SUFFIXES)}")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if size > LARGEST:
        raise OrnsteinError(f"{path} is larger than {LARGEST >> 30} GB: train on a sample of its rows")
    try:
        read = _parquet(path) if path.suffix.lower() == ".parquet" else _text(path, pd)
    except OrnsteinError:
        raise
    except Exception as error:  # pandas and pyarrow raise a dozen unrelated types on damaged files
        reason = " ".join(str(error).split())[:150]
        raise OrnsteinError(f"{path} is not a readable table: {reason}") from error
    refuse_doubles([str(name) for name in read.frame.columns], str(path))
    if len(read.frame) == 0 or read.frame.shape[1] == 0:
        raise UsageError(f"{path} has no rows: a table needs a header and rows below it")
    return read


def refuse_doubles(names: list[str], where: str) -> None:
    """Raise UsageError where a column's name stands twice or is empty."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UsageError(f"{where} has two columns named {name!r}: rename one")
        seen.add(name)


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a .csv, .tsv or .parquet file, whole or not at all. Raises OrnsteinError."""
    from ornstein.data.atomic import new_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as part:
            if path.suffix.lower() == ".parquet":
                frame.to_parquet(part, index=False)
            else:
                separator = "\t" if path.suffix.lower() == ".tsv" else ","
                frame.to_csv(part, index=False, sep=separator, lineterminator="\n")
    except OSError as error:
        raise OrnsteinError(f"cannot write {path}: {error.strerror}") from error


def known_column(name: str, names: list[str]) -> str:
    """`name`, if it is one of `names`. Raises UsageError with the nearest."""
    if name not in names:
        near = nearest(name, names) if len(names) <= 50 or nearest(name, names).startswith("; did") else ""
        raise UsageError(f"no column {name!r}{near}")
    return name


def _parquet(path: Path) -> Read:
    from ornstein.data.manifest import arrow

    table = arrow("reading Parquet tables").parquet.read_table(path)
    refuse_doubles(table.column_names, str(path))
    return Read(table.to_pandas(), ())


def _text(path: Path, pd: Any) -> Read:
    raw = path.read_bytes()
    text, notes = _decoded(raw, path)
    lines = [line for line in text[: 1 << 16].splitlines() if line.strip()][:20]
    if not lines:
        raise UsageError(f"{path} is empty: a table needs a header and rows below it")
    separator = _separator(lines)
    if separator != "," and path.suffix.lower() == ".csv":
        notes += (f"columns are separated by {'tabs' if separator == chr(9) else repr(separator)}",)
    header = next(csv.reader([lines[0]], delimiter=separator))
    refuse_doubles([name.strip() for name in header], str(path))
    frame = pd.read_csv(
        io.StringIO(text),
        sep=separator,
        dtype=str,
        keep_default_na=False,
        na_values=[],
        skipinitialspace=True,
    )
    frame.columns = [str(name).strip() for name in frame.columns]
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes a surplus cell of each row for an index
        raise UsageError(f"{path}: rows have more cells than the header names")
    frame = frame.astype(object)
    return Read(frame.where(~frame.isin(MISSING) & frame.notna(), None), notes)


def _decoded(raw: bytes, path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a file, and what was assumed of its encoding."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16"), ("its encoding is UTF-16",)
    if b"\0" in raw:
        raise OrnsteinError(f"{path} is no text: it holds NUL bytes")
    try:
        return raw.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("cp1252"), ("it is not UTF-8: read as Windows-1252",)
    except UnicodeDecodeError:
        return raw.decode("latin-1"), ("it is not UTF-8: read as Latin-1",)


def _separator(lines: list[str]) -> str:
    """The separator that splits the lines into equally many cells, more than one; a comma where none does."""

    def cells(separator: str) -> list[int]:
        return [len(row) for row in csv.reader(lines, delimiter=separator)]

    counts = {separator: cells(separator) for separator in SEPARATORS}
    even = [s for s in SEPARATORS if counts[s] and min(counts[s]) == max(counts[s]) > 1]
    some = [s for s in SEPARATORS if counts[s] and counts[s][0] > 1]
    return max(even or some or [","], key=lambda s: counts[s][0])
