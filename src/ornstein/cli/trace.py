"""``ornstein trace``: which training data a file is near to, with licence and holder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ornstein.guard.trace.sources import Sources, Traced


def trace(
    files: Annotated[list[Path], typer.Argument(help="Pictures; with --model also texts, or tables.")],
    model: Annotated[
        str | None, typer.Option(help="A model's name or folder; the one the file's replay record names.")
    ] = None,
    count: Annotated[int, typer.Option("-k", min=1, max=50, help="How many training pictures to name.")] = 5,
    policy: Annotated[Path | None, typer.Option(help="Policy whose alpha is the threshold.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="PNG of each file beside its nearest training pictures.")
    ] = None,
    pack: Annotated[
        Path | None,
        typer.Option(help="Where the training data lie: for --sheet, or to find passages."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing sheet.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Name the training pictures that a picture is similar to, and say whether it is nearer than honest ones are."""
    from ornstein.guard.policy import Copies, Policy
    from ornstein.guard.trace.files import read_square, sources_of, write_sheet
    from ornstein.output import refuse_existing

    if sheet is not None:
        refuse_existing(sheet, force)
    if model is not None and (other := _other(model)) is not None:
        _trace_fields(other, files, pack, count, as_json)
        return
    alpha = (Policy.find(policy).output.copies or Copies()).alpha
    known: dict[Path, Sources] = {}
    found: list[tuple[Path, Sources, Traced]] = []
    for file in files:
        sources = sources_of(file, model, known)
        found.append((file, sources, sources.nearest(read_square(file, sources)[None], count)[0]))
    if as_json:
        typer.echo(json.dumps([_facts(*one, alpha) for one in found], ensure_ascii=False))
    else:
        for one in found:
            _print(*one, alpha)
    if sheet is not None:
        write_sheet(sheet, found, pack, force)
        typer.echo(f"wrote {sheet}", err=True)


def _other(name: str) -> Any:
    """The model of this name, where it makes texts or rows; None where it makes pictures."""
    from ornstein.bundle import Bundle
    from ornstein.loading import load
    from ornstein.recipes.table import TableRecipe
    from ornstein.recipes.text import TextRecipe
    from ornstein.shelf import find

    recipe = Bundle.open(find(name)).facts.recipe
    return load(name) if isinstance(recipe, TextRecipe | TableRecipe) else None


def _trace_fields(model: Any, files: list[Path], pack: Path | None, count: int, as_json: bool) -> None:
    """Name what texts or tables share with what a model learned from."""
    from ornstein.guard.trace.fields import matches

    found = [(file, matches(model, file, pack)) for file in files]
    if as_json:
        told = [{"file": str(file), "matches": [one.as_dict() for one in held]} for file, held in found]
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    for file, held in found:
        typer.echo(f"{file}: {len(held):,} parts stand as they are in what {model.recipe.name} learned from")
        for one in held[:count]:
            row = one.source
            whose = f": {row.id}, {row.licence}, {row.holder} ({row.source})" if row else ""
            words = f"{one.size} words: " if one.size > 1 else ""
            typer.echo(f"  {words}{one.what[:100]}{whose}")


def _facts(file: Path, sources: Sources, traced: Traced, alpha: float) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "file": str(file), "model": sources.bundle.facts.name, "score": round(traced.score, 4),
        "p": round(traced.p, 6), "alpha": sources.null.reachable(alpha), "copy": _is_copy(sources, traced, alpha),
        "similar_to": [asdict(source) for source in traced.sources],
    }  # fmt: skip


def _print(file: Path, sources: Sources, traced: Traced, alpha: float) -> None:
    name, count = sources.bundle.facts.name, len(sources.index.ids)
    typer.echo(f"{file}: similar to, of the {count:,} pictures that {name} learned from")
    for one in traced.sources:
        typer.echo(
            f"  {one.distance:.3f}  {one.caption or one.id}: {one.licence}, {one.holder} ({one.source})"
        )
    held, told = len(sources.null.scores), f"p {traced.p:.4f}, alpha {sources.null.reachable(alpha):.4g}"
    says = "nearer" if _is_copy(sources, traced, alpha) else "no nearer"
    typer.echo(f"  {says} to the first than {held:,} pictures that were held out allow ({told})")


def _is_copy(sources: Sources, traced: Traced, alpha: float) -> bool:
    return traced.score < sources.null.threshold(sources.null.reachable(alpha))
