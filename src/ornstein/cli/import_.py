"""``ornstein import``: a published checkpoint becomes a model of yours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_(
    source: Annotated[
        str, typer.Argument(help="A pipeline folder as diffusers writes it, or a name of the hub.")
    ],
    name: Annotated[
        str | None, typer.Option(help="What to call the model (the last part of SOURCE).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the bundle, instead of your shelf.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a default of sampling: sampling.steps=20; may be repeated."),
    ] = None,
) -> None:
    """Make a bundle of a checkpoint: its files are linked or copied, hashed, and loaded once to see that they fit."""
    from ornstein.bundle import ImportedFacts
    from ornstein.card import LABEL
    from ornstein.interop.importing import import_pipeline

    bundle = import_pipeline(source, out, name, settings or ())
    assert isinstance(bundle.facts, ImportedFacts)
    recipe = bundle.facts.recipe
    for file, said in recipe.source.licences.items():
        typer.echo(f"licence, by {file}: {said}", err=True)
    if not recipe.source.licences:
        typer.echo("licence: the folder names none; ask its publisher", err=True)
    how = "" if recipe.source.exact else ", the nearest there is"
    typer.echo(f"{recipe.source.scheduler} became {recipe.sampling.sampler}{how}", err=True)
    typer.echo(f"{recipe.name}: {bundle.facts.parameters:,} weights; {LABEL}", err=True)
    model = recipe.name if out is None else bundle.folder
    typer.echo(f'wrote {bundle.folder}; try: ornstein generate "…" --model {model}')
