"""One row for every picture: where it came from, who holds it, under which licence, and what it shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ornstein.errors import MissingExtraError, OrnsteinError

if TYPE_CHECKING:
    import pyarrow

TRAIN, HELD_OUT_CONCEPT, HELD_OUT_PAIR, HELD_OUT = "train", "held-out-concept", "held-out-pair", "held-out"


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one picture. Text is never None; an unknown value is the empty string."""

    id: str  # unique in its pack, stable over builds
    sha256: str  # of the stored picture's bytes
    licence: str  # SPDX identifier
    holder: str  # whom the licence asks to name
    source: str  # package, version and file
    split: str
    concept: str  # what it shows, skin tone set aside
    style: str  # as captions say it: "Noto style"
    variant: int  # 0 is the plain one; the pack's header names the others
    captions: tuple[str, ...]  # [0] is the standard form
    family: str = ""  # the concept with gender set aside as well
    group: str = ""  # "smileys and emotion"
    gender: str = ""  # "", "female" or "male"


_COLUMNS = tuple(field.name for field in fields(Row))


def arrow(what: str = "reading and writing packs") -> Any:
    """Return the pyarrow module with parquet loaded. Raises MissingExtraError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(what, "data") from error
    return pyarrow


def root_hash(rows: Iterable[Row]) -> str:
    """Return the sha256 over all rows in order of id: equal exactly when the manifests are equal."""
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda row: row.id):
        line = json.dumps(as_dict(row), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def as_dict(row: Row) -> dict[str, Any]:
    """Return the row's fields without the deep copy of `dataclasses.asdict`, which is ten times slower."""
    return {name: getattr(row, name) for name in _COLUMNS}


def write(rows: Sequence[Row], path: Path) -> None:
    """Write rows to a parquet file, compressed."""
    pa = arrow()
    schema = pa.schema(
        [(name, pa.int32() if name == "variant" else pa.string()) for name in _COLUMNS if name != "captions"]
        + [("captions", pa.list_(pa.string()))]
    )
    columns = {name: [getattr(row, name) for row in rows] for name in _COLUMNS}
    columns["captions"] = [list(row.captions) for row in rows]
    pa.parquet.write_table(pa.table(columns, schema=schema), path, compression="zstd")


def read_table(path: Path) -> pyarrow.Table:
    """Return the manifest as an arrow table. Raises OrnsteinError when it is not one."""
    pa = arrow()
    try:
        table = pa.parquet.read_table(path, use_threads=False)
        names = table.column_names  # read as text only now
    except FileNotFoundError as error:
        raise OrnsteinError(f"{path} is missing: fetch or pack the data again") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise OrnsteinError(f"{path} is not a readable manifest: fetch or pack the data again") from error
    if missing := sorted(set(_COLUMNS) - set(names)):
        raise OrnsteinError(f"{path} lacks the columns {', '.join(missing)}: fetch or pack the data again")
    return table


def rows_of(table: pyarrow.Table) -> list[Row]:
    """Return a manifest table as rows, in its order."""
    columns = [table.column(name).to_pylist() for name in _COLUMNS]
    captions = _COLUMNS.index("captions")
    columns[captions] = [tuple(forms) for forms in columns[captions]]
    return [Row(*values) for values in zip(*columns, strict=True)]


def read(path: Path) -> list[Row]:
    """Read the rows of a manifest file. Raises OrnsteinError."""
    table = read_table(path)
    try:
        return rows_of(table)
    except (ValueError, TypeError) as error:  # columns of another type, text that is none
        raise OrnsteinError(f"{path} is not a readable manifest: fetch or pack the data again") from error


def refuse(rows: Iterable[Row], allowed: Collection[str]) -> None:
    """Raise OrnsteinError naming every licence outside `allowed`, how many rows have it, and some of them."""
    outside: dict[str, list[str]] = {}
    for row in rows:
        if row.licence not in allowed:
            outside.setdefault(row.licence, []).append(row.id)
    if outside:
        parts: list[str] = []
        for licence, ids in sorted(outside.items()):
            some = ", ".join([*ids[:3], *(["…"] if len(ids) > 3 else [])])
            parts.append(f"{licence or 'no licence'} ({len(ids)} pictures: {some})")
        raise OrnsteinError(f"licences not allowed: {'; '.join(parts)}: leave these out, or allow them")
