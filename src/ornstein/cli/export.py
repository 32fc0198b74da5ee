"""``ornstein export``: a bundle as a folder that other libraries read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    bundle: Annotated[str, typer.Argument(help="A model's name or its folder.")],
    folder: Annotated[Path, typer.Argument(help="What to write; must not exist.")],
) -> None:
    """Write a model as a folder in the layout of diffusers; an imported one opens there and draws the same pictures."""
    from ornstein.bundle import Bundle
    from ornstein.interop.exporting import export_bundle
    from ornstein.shelf import find

    source = Bundle.open(find(bundle))
    export_bundle(source, folder)
    if source.imported:
        typer.echo(f'wrote {folder}; open it with diffusers: DiffusionPipeline.from_pretrained("{folder}")')
    else:
        typer.echo(
            f"wrote {folder}: safetensors and JSON; diffusers has no class for this network (README.md)"
        )
