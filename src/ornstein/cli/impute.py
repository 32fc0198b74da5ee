"""``ornstein impute``: fill the gaps of a table with what a model of it holds likely."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def impute(
    file: Annotated[Path, typer.Argument(help="A table with gaps: .csv, .tsv or .parquet.")],
    model: Annotated[str, typer.Option(help="A model of such tables: its name or folder.")],
    out: Annotated[Path, typer.Option(help="Where the filled table goes.")],
    seed: Annotated[int, typer.Option(help="Of the draws: each gap is filled by one.", min=0)] = 0,
    steps: Annotated[int | None, typer.Option(help="Sampler steps (the model's default).")] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy file (the one in force).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "cpu",
) -> None:
    """Fill gaps, each row by one draw given what it tells; everything else stays as it is."""
    from ornstein.cli.rows import bar, form_of, of_table, table_target, write_beside
    from ornstein.data.table import read_table
    from ornstein.guard.policy import Policy
    from ornstein.guard.rows import GuardedRows
    from ornstein.loading import load
    from ornstein.train.device import find_device

    target, frame = table_target(out, force), read_table(file).frame
    guard = GuardedRows(of_table(load(model, find_device(device))), Policy.find(policy))
    with bar("rows") as progress:
        answer = guard.impute(frame, seed, steps, progress)
    filled = answer.frame
    write_beside(target, guard.file(answer, form_of(target)), force)
    gaps = int(frame.isna().sum().sum()) - int(filled[frame.columns].isna().sum().sum())
    typer.echo(str(target))
    typer.echo(f"{gaps:,} gaps filled in {len(frame):,} rows; seed {seed}", err=True)
