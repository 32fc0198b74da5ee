"""``ornstein scorer``: train what tells whether a picture shows what a text says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer


def scorer(
    pack: Annotated[Path, typer.Argument(help="A packed set; what it holds out measures the scorer.")],
    samples: Annotated[int, typer.Option(help="Pictures seen.")] = 300_000,
    out: Annotated[
        Path | None, typer.Option(help="Its folder (PACK/scorer, where evaluate looks for it).")
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(help="Folder of encoded captions, e.g. runs/emoji/cache.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights and draws.")] = 0,
) -> None:
    """Train a picture-text scorer on a pack's training split."""
    from ornstein.data.pack import Pack
    from ornstein.errors import UsageError
    from ornstein.evaluate.scorer_training import train_scorer
    from ornstein.evaluate.scorers import BESIDE

    if samples < 1:
        raise UsageError(f"samples must be at least 1, not {samples}")
    opened = Pack.open(pack)
    opened.decode()
    started = shown = time.monotonic()

    def tell(seen: int, loss: float) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown > 30:
            shown = now
            left = (samples - seen) * (now - started) / seen / 60
            typer.echo(f"{seen:,} of {samples:,}  loss {loss:.3f}  {left:.0f} min left", err=True)

    folder = out or pack / BESIDE
    trained = train_scorer(
        opened, folder, samples, batch=min(512, samples), seed=seed, cache=captions, progress=tell
    )
    for split, rates in trained.facts["retrieval"].items():
        typer.echo(
            f"{split:<18} R@1 {rates['R@1']:.3f}  R@5 {rates['R@5']:.3f} of {rates['captions']:,} captions"
        )
    typer.echo(f"wrote {folder}")
