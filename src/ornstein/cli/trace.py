"""``ornstein trace``: which training pictures a file is similar to, with licence and holder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ornstein.guard.trace.sources import Sources, Traced


def trace(
    files: Annotated[list[Path], typer.Argument(help="Pictures: PNG, JPEG, WebP, GIF, BMP or TIFF.")],
    model: Annotated[
        str | None, typer.Option(help="A model's name or folder; the one the file's replay record names.")
    ] = None,
    count: Annotated[int, typer.Option("-k", min=1, max=50, help="How many training pictures to name.")] = 5,
    policy: Annotated[Path | None, typer.Option(help="Policy whose alpha is the threshold.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="PNG of each file beside its nearest training pictures.")
    ] = None,
    pack: Annotated[Path | None, typer.Option(help="Where the training pictures lie, for --sheet.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing sheet.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Name the training pictures that a picture is similar to, and say whether it is nearer than honest ones are."""
    from ornstein.guard.policy import Copies, Policy
    from ornstein.guard.trace.files import read_square, sources_of, write_sheet
    from ornstein.output import refuse_existing

    if sheet is not None:
        refuse_existing(sheet, force)
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
