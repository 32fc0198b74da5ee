"""``ornstein costs``: what the service's requests took and cost, by day, key and model."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.cli.database import Database
from ornstein.cli.times import moment

if TYPE_CHECKING:
    from ornstein.serve.books import CostLine

ROW = "{:<10}  {:<16}  {:<20}  {:>8}  {:>8}  {:>11}  {:>9}  {:>9}  {:>9}  {:>10}  {:>8}  {:>12}"
HEAD = (
    "day", "key", "model", "requests", "pictures", "evaluations", "queue s", "compute s", "guard s", "energy Wh",
    "measured", "price",
)  # fmt: skip


def costs(
    since: Annotated[str | None, typer.Option(help="From this day on: 2026-02-03, UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this day.")] = None,
    by: Annotated[str, typer.Option(help="Split by any of day,key,model; total for none.")] = "day,key,model",
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV for spreadsheets.")] = False,
) -> None:
    """Print a report of what requests took and cost; energy says how much of it was measured."""
    from dataclasses import asdict

    from ornstein.errors import UsageError
    from ornstein.serve.books import Books

    if as_json and as_csv:
        raise UsageError("--json or --csv, not both")
    axes = () if by == "total" else tuple(axis.strip() for axis in by.split(","))
    books = Books.open(database)
    lines = books.costs(moment(since) if since else None, moment(until) if until else None, axes)  # type: ignore[arg-type]
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines]))
    elif as_csv:
        _csv(lines)
    else:
        _table(lines, {key.id: key.name for key in books.keys.list()})


def _csv(lines: list[CostLine]) -> None:
    import csv
    from dataclasses import asdict, fields

    from ornstein.serve.books import CostLine

    writer = csv.DictWriter(sys.stdout, [field.name for field in fields(CostLine)])
    writer.writeheader()
    writer.writerows(asdict(line) for line in lines)


def _table(lines: list[CostLine], names: dict[str, str]) -> None:
    if not lines:
        typer.echo("no request has ended in this time")
        return
    typer.echo(ROW.format(*HEAD))
    for line in lines:
        key = "(erased)" if line.key == "" else names.get(line.key or "", line.key or "")
        measured = f"{line.measured / line.joules:.0%}" if line.joules else ""
        typer.echo(
            ROW.format(
                line.day or "", key[:16], (line.model or "")[:20], line.requests, line.pictures, line.evaluations,
                f"{line.waited:.1f}", f"{line.computed:.1f}", f"{line.guarded:.1f}", f"{line.joules / 3600:.3f}",
                measured, f"{line.price:.4f} {line.currency}",
            )
        )  # fmt: skip
