"""``ornstein docs``: documents about a model, made from what its bundle knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="docs", no_args_is_help=True, help="Documents about a model, from what its bundle knows."
)


@app.command()
def build(
    model: Annotated[str, typer.Argument(help="A model's name or its folder.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the documents (documents/NAME).")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Build just this kind; may be repeated.")] = None,
    about: Annotated[
        Path | None, typer.Option(help="YAML of what only the provider knows: names, uses, licence, energy.")
    ] = None,
    evidence: Annotated[
        list[Path] | None, typer.Option(help="JSON result of an audit; may be repeated.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="The policy the model is used under.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the folder.")] = False,
) -> None:
    """Build model card, summaries, technical documentation, bills of materials and risk log, each validated."""
    from ornstein.bundle import Bundle
    from ornstein.guard.documents.about import About
    from ornstein.guard.documents.build import INDEX, build
    from ornstein.guard.documents.facts import gather
    from ornstein.guard.policy import Policy
    from ornstein.shelf import find

    known = gather(
        Bundle.open(find(model)),
        about=About.read(about) if about else None,
        policy=Policy.find(policy),
        evidence=evidence or (),
    )
    folder = out or Path("documents") / known.bundle.folder.resolve().name
    for made in build(known, folder, only or (), force=force):
        typer.echo(f"{made.kind}: {made.verdict}")
    typer.echo(str(folder / INDEX))
