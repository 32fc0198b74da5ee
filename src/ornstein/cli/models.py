"""``ornstein models``: list, show and verify bundles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ornstein.bundle import Bundle

app = typer.Typer(name="models", no_args_is_help=True, help="List, show and verify models.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Name = Annotated[str, typer.Argument(help="A model's name or its folder.")]


@app.command(name="list")
def list_models(as_json: Json = False) -> None:
    """List the models that have names: shipped with the package, or installed for you."""
    from ornstein.errors import OrnsteinError
    from ornstein.shelf import home, shelf

    rows: list[dict[str, Any]] = []
    for name, folder in shelf().items():
        try:
            rows.append({"name": name, **_line(folder)})
        except OrnsteinError as error:
            rows.append({"name": name, "folder": str(folder), "error": str(error)})
    if as_json:
        typer.echo(json.dumps(rows))
    elif not rows:
        typer.echo(f"no models; put bundles under {home()}, or train one: ornstein train emoji")
    for row in rows if not as_json else ():
        facts = (
            row.get("error") or f"{row['parameters']:,} weights, {row['extent']}, {row['bytes'] / 1e6:.1f} MB"
        )
        typer.echo(f"{row['name']:<20} {facts}")


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show a model's card; with --json everything the bundle knows."""
    from ornstein.bundle import CARD, Bundle
    from ornstein.shelf import find

    bundle = Bundle.open(find(name))
    if as_json:
        typer.echo(json.dumps(_everything(bundle), ensure_ascii=False))
    else:
        typer.echo((bundle.folder / CARD).read_text(encoding="utf-8").rstrip())


@app.command()
def verify(name: Name, as_json: Json = False) -> None:
    """Check a model's hashes, weights and network, and its manifest where pyarrow is installed."""
    from ornstein.bundle import Bundle
    from ornstein.loading import load
    from ornstein.shelf import find

    Bundle.open(find(name), fresh=True)  # large files, too, are read again
    model = load(name)
    assert model.bundle is not None
    manifest = _verify_manifest(model.bundle)
    answer = {
        "name": model.recipe.name, "folder": str(model.bundle.folder), "ok": True,
        "fingerprint": model.bundle.fingerprint, "manifest": manifest,
    }  # fmt: skip
    typer.echo(
        json.dumps(answer)
        if as_json
        else f"{model.recipe.name}: hashes, weights and network hold; {manifest}"
    )


def _verify_manifest(bundle: Bundle) -> str:
    """Compare the manifest's rows with the root hash in the header."""
    from ornstein.bundle import MANIFEST
    from ornstein.data.manifest import read, root_hash
    from ornstein.errors import MissingExtraError, OrnsteinError

    data = bundle.facts.data
    if data is None:
        return "no manifest"
    try:
        rows = read(bundle.folder / MANIFEST)
    except MissingExtraError:
        return "manifest unread: pip install 'ornstein[data]'"
    if root_hash(rows) != data.root or len(rows) != data.pictures:
        raise OrnsteinError(f"{bundle.folder}: the manifest is not the one named in the header")
    return f"manifest of {len(rows):,} {bundle.facts.recipe.items} holds"


def _everything(bundle: Bundle) -> dict[str, Any]:
    return {
        "folder": str(bundle.folder), "fingerprint": bundle.fingerprint,
        "bytes": _bytes(bundle.folder), "metrics": bundle.metrics(), "licences": _counts(bundle, "licence"),
        "holders": _counts(bundle, "holder"), **bundle.facts.model_dump(mode="json"),
    }  # fmt: skip


def _counts(bundle: Bundle, field: str) -> dict[str, int]:
    """Pictures trained on, by licence or by holder."""
    counts: dict[str, int] = {}
    for origin in bundle.facts.data.origins if bundle.facts.data else ():
        key = getattr(origin, field)
        counts[key] = counts.get(key, 0) + origin.trained
    return counts


def _line(folder: Path) -> dict[str, Any]:
    from ornstein.bundle import Bundle

    facts = Bundle.open(folder).facts
    return {
        "folder": str(folder), "parameters": facts.parameters, "extent": facts.recipe.extent,
        "bytes": _bytes(folder),
    }  # fmt: skip


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
