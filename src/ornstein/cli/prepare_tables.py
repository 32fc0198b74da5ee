"""What ``ornstein train`` does with a table: its columns are shown, then learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from ornstein.cli.prepare import Kind, Prepared, Wanted
from ornstein.data.columns import summary
from ornstein.data.table import SUFFIXES, read_table
from ornstein.errors import UsageError
from ornstein.guard.learning import refuse_forbidden
from ornstein.guard.policy import Policy
from ornstein.recipes.table import TableRecipe
from ornstein.train.tables import table_task


def of_table(file: Path, wanted: Wanted) -> tuple[Path, Prepared]:
    """Of a table's file, all rows of it."""
    types, read = _types(wanted.columns), read_table(file)
    for note in read.notes:
        typer.echo(f"{file}: {note}", err=True)
    task = table_task(
        read.frame, file.stem, types=types, changes=wanted.changes, licence=wanted.licence, holder=wanted.holder,
        device=wanted.device,
    )  # fmt: skip
    if wanted.licence is not None:  # one's own table needs none
        refuse_forbidden(task.rows(), Policy.find(wanted.policy).training)
    typer.echo(summary(task.found), err=True)
    run = wanted.run(task.recipe.name)
    run.mkdir(parents=True, exist_ok=True)
    counts = {"rows": len(read.frame), "columns": len(task.recipe.codec.columns)}
    told = f"{len(read.frame):,} rows of {file.name}"
    hint = "ornstein generate --rows 1000 --out rows.csv"
    return run, Prepared(task, told, counts, hint, lambda bundle: None)


def of_recipe(recipe: TableRecipe, wanted: Wanted) -> tuple[Path, Prepared]:
    """A recipe alone names no rows. Raises UsageError."""
    raise UsageError(
        "a table's recipe is trained on a file: ornstein train FILE.csv, with --set for its values"
    )


def is_table(path: Path) -> bool:
    """Whether a path names a table's file."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _types(told: Sequence[str]) -> dict[str, str]:
    """Types by column. Raises UsageError."""
    types: dict[str, str] = {}
    for one in told:
        name, equals, kind = one.rpartition("=")
        if not equals or not name:
            raise UsageError(f"--column takes name=type, not {one!r}")
        types[name] = kind
    return types


TABLES = Kind(TableRecipe, of_recipe, is_table, of_table)
"""Learning tables."""
