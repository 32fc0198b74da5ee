"""``ornstein data forget``: take a holder's pictures, or one, out of models and packs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ornstein.errors import UsageError


def forget(
    what: Annotated[str, typer.Argument(help="A holder's name or a picture's id, as the manifest has it.")],
    model: Annotated[str | None, typer.Option(help="A model's name or folder.")] = None,
    pack: Annotated[Path | None, typer.Option(help="The pack, so that the next training lacks them.")] = None,
) -> None:
    """Take pictures out of a model's manifest and index at once, mark it for retraining, and out of a pack."""
    from datetime import UTC, datetime

    from ornstein.bundle import Bundle
    from ornstein.data.pack import Pack
    from ornstein.guard.trace.forget import forget as take_out
    from ornstein.guard.trace.forget import forget_in_pack, own
    from ornstein.shelf import find

    if model is None and pack is None:
        raise UsageError("name what is to forget: --model, --pack, or both")
    if model is not None:
        folder = find(model)
        mine = own(folder)
        if mine != folder.resolve():
            typer.echo(f"{model} belongs to the package: a copy in {mine} takes its place", err=True)
        left = take_out(Bundle.open(mine), what, datetime.now(UTC).date())
        mark = left.facts.forgotten[-1]
        typer.echo(
            f"{mine}: {mark.pictures:,} pictures taken out of manifest and index; the weights still know them: "
            "train it again"
        )
    if pack is not None:
        before = len(Pack.open(pack))
        left = Pack.open(forget_in_pack(Pack.open(pack), what))
        typer.echo(
            f"{pack}: {before - len(left):,} pictures taken out; {len(left):,} are left. Fetched or packed again they "
            "would be back: name the holder in the policy's training.holders"
        )
