"""``ornstein data dedup``: a pack with one of each picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def dedup(
    folder: Annotated[Path, typer.Argument(help="A pack.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; only counted where none is named.")
    ] = None,
    near: Annotated[bool, typer.Option("--near", help="Also leave out pictures that look alike.")] = False,
) -> None:
    """Count a pack's duplicates among what is trained on, and write a pack without them."""
    from ornstein.data.duplicates import spare_ids
    from ornstein.data.pack import Pack
    from ornstein.data.write import NO_DOUBLES, rewritten

    pack = Pack.open(folder)
    spare = spare_ids(pack, near)
    typer.echo(
        f"{folder}: {len(spare):,} of the {len(pack.indices('train')):,} training pictures are there already"
    )
    if out is not None:
        typer.echo(f"wrote {rewritten(pack, out, spare, NO_DOUBLES)}: {len(pack) - len(spare):,} pictures")
