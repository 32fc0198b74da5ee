"""``ornstein data index``: make a model's sources traceable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def index(
    model: Annotated[str, typer.Argument(help="A model's name or folder.")],
    pack: Annotated[Path | None, typer.Option(help="The pack it learned from, where it has moved.")] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Pictures the descriptor learns from; by the size of the set.")
    ] = None,
) -> None:
    """Train a copy descriptor on what a model learned from, and put it and an index into the bundle."""
    from ornstein.bundle import SOURCES, Bundle
    from ornstein.data.pack import Pack
    from ornstein.guard.trace.build import build
    from ornstein.guard.trace.sources import Sources
    from ornstein.shelf import find

    bundle = build(Bundle.open(find(model)), pack and Pack.open(pack), samples, tell)
    sources = Sources.open(bundle)
    size, held = (bundle.folder / SOURCES).stat().st_size, len(sources.null.scores)
    typer.echo("; ".join(f"{name}: {count:,}" for name, count in sources.index.facts.items()))
    typer.echo(
        f"{bundle.folder}: {len(sources.index.ids):,} pictures indexed, {held:,} held out, {size / 1e6:.1f} MB"
    )


def tell(seen: int, of: int) -> None:
    """Say now and then how far the descriptor is."""
    if seen % 25_600 == 0 or seen == of:
        typer.echo(f"descriptor: {seen:,} of {of:,}", err=True)
