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
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "cpu",
) -> None:
    """Fill gaps, each row by one draw given what it tells; everything else stays as it is."""
    from ornstein.cli.rows import bar, of_table, table_target
    from ornstein.data.table import read_table, write_table
    from ornstein.loading import load
    from ornstein.train.device import find_device

    target, frame = table_target(out, force), read_table(file).frame
    ready = of_table(load(model, find_device(device)))
    with bar("rows") as progress:
        filled = ready.impute(frame, seed, steps, progress)
    write_table(filled, target)
    gaps = int(frame.isna().sum().sum()) - int(filled[frame.columns].isna().sum().sum())
    typer.echo(str(target))
    typer.echo(f"{gaps:,} gaps filled in {len(frame):,} rows; seed {seed}", err=True)
