"""``ornstein train``: from a recipe, or data of your own, to a bundle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.errors import StoppedError

if TYPE_CHECKING:
    from ornstein.train.loop import Trainer


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe (emoji, fashion, kjv, gcide), a recipe file, a packed set, a folder of pictures or of text, "
            "a text (.txt, .jsonl), or a table (.csv, …)."
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change one value: path=value, e.g. training.samples=100000."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run (runs/NAME); an unfinished run resumes.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
    licence: Annotated[str | None, typer.Option(help="SPDX licence of what names none.")] = None,
    holder: Annotated[str | None, typer.Option(help="Who holds the rights in them.")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy that says what may be learned from; the one in force.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a table: NAME=TYPE, where it is not what was found: number, integer, date, boolean, category, "
            "key, hash or drop."
        ),
    ] = None,
    index: Annotated[
        bool, typer.Option(help="Make the model's sources traceable when it is trained.")
    ] = True,
) -> None:
    """Train a model; run the same command again to go on after a stop."""
    os.environ.setdefault(
        "THP_MEM_ALLOC_ENABLE", "1"
    )  # torch's large buffers in huge pages: a third fewer faults

    from ornstein.cli.prepare import Wanted, prepare
    from ornstein.train.device import find_device
    from ornstein.train.loop import Trainer

    wanted = Wanted(settings or [], out, find_device(device), licence, holder, policy, column or ())
    run, prepared = prepare(recipe, wanted)
    task = prepared.task
    typer.echo(f"{task.recipe.name}: {prepared.told}; run in {run}", err=True)
    typer.echo("; ".join(f"{name}: {count:,}" for name, count in prepared.counts.items()), err=True)
    bundle = finish(Trainer(task, run), run, prepared.counts)
    if index:
        prepared.index(bundle)
    typer.echo(f"try: {prepared.hint} --model {bundle}")


def finish(trainer: Trainer, run: Path, counts: dict[str, int] | None = None) -> Path:
    """Train to the end, with checkpoints, samples and Ctrl-C, then write the bundle, `counts` of data in it."""
    import time

    from ornstein.train.interrupt import Interrupt
    from ornstein.train.loop import stage_at
    from ornstein.train.monitor import Monitor

    training = trainer.recipe.training
    saved, next_grid = time.monotonic(), trainer.progress.seen
    if trainer.progress.seen:
        typer.echo(f"resuming at {trainer.progress.seen:,} samples", err=True)
    with Monitor(run, training.samples, trainer.progress.seen) as monitor, Interrupt() as interrupt:

        def show() -> None:
            seen = trainer.progress.seen
            stage = stage_at(trainer.recipe, seen)
            monitor.sampled(trainer.task.sample(trainer.averaged_model(), stage), seen)

        for report in trainer.steps():
            monitor.show(report)
            if report.progress.seen >= next_grid + training.sample_samples:
                next_grid = report.progress.seen
                show()
            if interrupt.asked:
                trainer.save()
                raise StoppedError(
                    f"stopped at {report.progress.seen:,} samples; run the same command to go on"
                )
            if time.monotonic() - saved > training.checkpoint_seconds:
                trainer.save()
                saved = time.monotonic()
        trainer.save()
        show()
    bundle = trainer.write_bundle(run / "bundle", counts)
    typer.echo(f"wrote {bundle}")
    return bundle
