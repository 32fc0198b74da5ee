"""``ornstein books``: bring the tables up to date, erase from, prune and check the books of the service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.cli.database import Database, Store
from ornstein.cli.times import moment

if TYPE_CHECKING:
    from ornstein.serve.books import Erased

app = typer.Typer(
    name="books", no_args_is_help=True, help="Keep the service's database and its store of files."
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def migrate(database: Database = None) -> None:
    """Bring the tables to this version; `ornstein serve` does so itself when it starts."""
    from ornstein.serve.books.database import Database as Connection
    from ornstein.serve.books.database import default_url
    from ornstein.serve.books.migrations import migrate as bring_up

    before, after = bring_up(Connection(database or default_url()))
    typer.echo(
        f"the tables are of version {after}"
        + ("" if before == after else f", and were of {before or 'none'}")
    )


@app.command()
def erase(
    key: Annotated[
        str | None, typer.Option(help="All that this key asked for, and the key; by its id.")
    ] = None,
    request: Annotated[str | None, typer.Option(help="A request, by its id.")] = None,
    output: Annotated[str | None, typer.Option(help="A picture, by its id.")] = None,
    before: Annotated[str | None, typer.Option(help="All before this time: 2026-02-03, UTC.")] = None,
    database: Database = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Erase requests with their prompts, pictures and replies; sums of what they cost stay, without whose they were."""
    from ornstein.serve.books import Books

    books = Books.open(database, store=store)
    erased = books.erase(key=key, request=request, output=output, before=moment(before) if before else None)
    _tell(erased, as_json)
    if not as_json:
        typer.echo("the records are erased by `ornstein records erase`; backups elsewhere are yours to erase")


@app.command()
def prune(
    policy: Annotated[Path | None, typer.Option(help="The policy that says how long; that in force.")] = None,
    database: Database = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Erase what is older than the policy keeps, and files that no request names; the service does so once a day."""
    from ornstein.guard.policy import Policy
    from ornstein.serve.books import Books

    kept = Policy.find(policy).records
    _tell(Books.open(database, store=store).prune(kept.days if kept else None), as_json)


@app.command()
def check(database: Database = None, store: Store = None, as_json: Json = False) -> None:
    """Read every file and compare it with the books; code 1 where one is missing or damaged."""
    from dataclasses import asdict

    from ornstein.serve.books import Books

    found = Books.open(database, store=store).check()
    if as_json:
        typer.echo(json.dumps({"ok": found.sound, **asdict(found)}))
    else:
        for what in ("missing", "damaged", "orphans"):
            for digest in getattr(found, what):
                typer.echo(f"{what.removesuffix('s')} {digest}")
        typer.echo(
            f"{found.files} files" + (", all that the books name are as they were" if found.sound else "")
        )
    raise typer.Exit(0 if found.sound else 1)


def _tell(erased: Erased, as_json: bool) -> None:
    from dataclasses import asdict

    counts = asdict(erased)
    typer.echo(
        json.dumps(counts) if as_json else "erased " + ", ".join(f"{n} {name}" for name, n in counts.items())
    )
