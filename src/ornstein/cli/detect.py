"""``ornstein detect``: which marks in a picture say where it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.cli.generate import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ornstein.guard.watermark.layers import Layer
    from ornstein.model import Model

Files = Annotated[list[Path], typer.Argument(help="Picture files; may be several.")]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", help="That may have made them; may be given again. All shipped ones if left out."
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        help="File with the watermark's secret; the policy's if left out. The public one is tried, too."
    ),
]


def detect(files: Files, model: Models = None, key: Key = None, as_json: Json = False) -> None:
    """Look for a credential, a watermark and a record; exit with 1 where no file has any."""
    from ornstein.guard.policy import Policy
    from ornstein.guard.watermark.code import PUBLIC_KEY, read_key
    from ornstein.guard.watermark.layers import ABSENCE
    from ornstein.model import Model
    from ornstein.shelf import SHIPPED, shelf

    marking = Policy.find().publish.watermark
    own = read_key(key or (marking.key if marking else None))
    keys = list(dict.fromkeys([own, PUBLIC_KEY]))
    names = model or [name for name, folder in shelf().items() if folder.parent == SHIPPED]
    models = [Model.load(name) for name in dict.fromkeys(names)]
    said = {str(file): _layers(file, models, keys) for file in files}
    if as_json:
        rows = [
            {"file": file, "layers": [layer.model_dump(mode="json") for layer in found]}
            for file, found in said.items()
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        for file, found in said.items():
            typer.echo("\n  ".join([file, *([_line(layer, own) for layer in found] or [ABSENCE])]))
    if not any(said.values()):
        raise typer.Exit(1)


def _layers(file: Path, models: Sequence[Model], keys: Sequence[bytes]) -> list[Layer]:
    from ornstein.guard.watermark.layers import in_noise, in_pixels, logged, recorded, signed

    marks = [
        *in_noise(file, models, keys),
        *in_pixels(file, keys),
    ]  # first: they tell whether it is a picture
    return [*signed(file), *logged(file), *marks, *recorded(file)]


def _line(layer: Layer, own: bytes) -> str:
    from ornstein.guard.watermark.code import PUBLIC_KEY, fingerprint

    if layer.p_value is None:
        return f"{layer.layer}: {layer.says}"
    known = {
        fingerprint(own): "the secret key",
        fingerprint(PUBLIC_KEY): "the public key, which anybody can use",
    }
    whose = f"code {layer.code} of {known[layer.key or '']} ({layer.key})"
    return f"{layer.layer}: {layer.says}; {whose}; chance {layer.p_value:.1g}"
