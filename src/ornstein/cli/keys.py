"""``ornstein keys``: make, list and revoke the keys of the API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.cli.database import Database

if TYPE_CHECKING:
    from ornstein.serve.books import Key

app = typer.Typer(name="keys", no_args_is_help=True, help="Make, list and revoke keys of the API.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, for people.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="generate, edit, read or admin; several times for several.")
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="At most; no limit, if left out.")
    ] = None,
    pictures_per_day: Annotated[int | None, typer.Option(min=1, help="At most; the day is UTC's.")] = None,
    largest_side: Annotated[int | None, typer.Option(min=1, help="Of pictures, in pixels.")] = None,
    share: Annotated[
        float, typer.Option(help="Of the engine, beside the keys that wait: 2 gets twice 1's.")
    ] = 1.0,
    days: Annotated[int | None, typer.Option(min=1, help="After which it ends; never, if left out.")] = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a key and print its secret, which is shown this once and kept nowhere."""
    from datetime import timedelta

    from ornstein.serve.books import Books, Limits
    from ornstein.serve.books.values import now

    limits = Limits(requests_per_minute, pictures_per_day, largest_side, share)
    expires = now() + timedelta(days=days) if days else None
    key, secret = Books.open(database).keys.create(
        name, scope or ("generate", "edit", "read"), limits, expires
    )
    if as_json:
        typer.echo(json.dumps({**_facts(key), "secret": secret}))
        return
    typer.echo(secret)
    typer.echo(f"{key.id}: note the secret now, nobody can read it again", err=True)


@app.command("list")
def list_(database: Database = None, as_json: Json = False) -> None:
    """List all keys, without their secrets."""
    from ornstein.serve.books import Books

    keys = Books.open(database).keys.list()
    if as_json:
        typer.echo(json.dumps([_facts(key) for key in keys]))
        return
    for key in keys:
        state = "works" if key.works else "revoked" if key.revoked else "expired"
        scopes = ",".join(key.scopes)
        typer.echo(f"{key.id}  {key.prefix}…  {state:<7}  {scopes:<24}  {key.created:%Y-%m-%d}  {key.name}")
    if not keys:
        typer.echo("no keys: ornstein keys create NAME")


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id, or a name that no other key has.")],
    database: Database = None,
) -> None:
    """End a key; servers that run notice within seconds."""
    from ornstein.serve.books import Books

    typer.echo(f"revoked {Books.open(database).keys.revoke(key).id}")


def _facts(key: Key) -> dict[str, object]:
    from dataclasses import asdict

    times = ("created", "expires", "revoked")
    moments = {name: moment.isoformat() if (moment := getattr(key, name)) else None for name in times}
    return {**asdict(key), **moments, "works": key.works}
