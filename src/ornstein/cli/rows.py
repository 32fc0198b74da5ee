"""``ornstein generate --rows N``: rows of a table, and the record of how they were made beside the file."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from ornstein.errors import UsageError

if TYPE_CHECKING:
    from ornstein.guard.publish import File
    from ornstein.guard.rows import Form, GuardedRows
    from ornstein.tables import TableModel


@dataclass(frozen=True)
class Asked:
    """What the command line asked for, as ``TableModel.generate`` takes it."""

    rows: int | None
    seed: int | None
    where: tuple[str, ...]
    balanced: str | None
    steps: int | None
    copies: bool


def table_target(out: Path | None, force: bool) -> Path:
    """The file a table goes to. Raises UsageError where none is named, it is no table's, or it exists."""
    from ornstein.data.table import SUFFIXES
    from ornstein.output import refuse_existing, refuse_unwritable

    if out is None:
        raise UsageError("name the file: --out rows.csv (or .tsv, .parquet)")
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{out} is no table: name a file that ends in {', '.join(SUFFIXES)}")
    for file in (out, record_file(out), credential_file(out)):
        refuse_existing(file, force)
    refuse_unwritable(out.parent)
    return out


def form_of(out: Path) -> Form:
    """The form of a table by its file's name."""
    return cast("Form", out.suffix.lower().removeprefix("."))


def record_file(out: Path) -> Path:
    """Where the record of a table's file stands."""
    return out.with_name(f"{out.name}.json")


def credential_file(out: Path) -> Path:
    """Where the credential of a file stands that has no place for one."""
    from ornstein.guard.publish import BESIDE

    return out.with_name(f"{out.name}{BESIDE}")


def write_beside(out: Path, file: File, force: bool) -> None:
    """Write a file, and before it the credential that lies beside it."""
    from ornstein.output import write

    if file.beside is not None:
        write(credential_file(out), file.beside, force)
    write(out, file.data, force)


def of_table(model: Any) -> TableModel:
    """The model, if it makes rows. Raises UsageError."""
    from ornstein.tables import TableModel

    if not isinstance(model, TableModel):
        raise UsageError(
            f"{model.recipe.name} is no model of a table: train one with ornstein train FILE.csv"
        )
    return model


def generate_rows(guard: GuardedRows, asked: Asked, out: Path | None, force: bool, as_json: bool) -> None:
    """Make rows and write them."""
    from ornstein.output import write

    if asked.rows is None:
        raise UsageError("say how many rows: --rows 1000 --out rows.csv")
    file, started = table_target(out, force), time.perf_counter()
    with bar("rows") as progress:
        made = guard.make(
            asked.rows, secrets.randbelow(2**31) if asked.seed is None else asked.seed, where=asked.where,
            balanced=asked.balanced, steps=asked.steps, copies=asked.copies, progress=progress,
        )  # fmt: skip
    record, seconds = made.record, time.perf_counter() - started
    assert record is not None
    write(record_file(file), record.model_dump_json(indent=1).encode(), force)
    write_beside(file, guard.file(made, form_of(file)), force)
    if as_json:
        typer.echo(
            json.dumps({"file": str(file), "seconds": round(seconds, 3), **record.model_dump(mode="json")})
        )
        return
    typer.echo(str(file))
    left = {
        "missed the conditions": record.rejected,
        "copied a training row": record.blocked,
        "repeated": record.repeated,
    }
    told = "".join(f", {count:,} {why}" for why, count in left.items() if count)
    typer.echo(
        f"{record.rows:,} rows of {record.drawn:,} drawn{told}; seed {record.seed}, {seconds:.1f} s", err=True
    )


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)
