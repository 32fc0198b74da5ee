"""``ornstein train``: from a recipe, or a folder of your own pictures, to a bundle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.errors import OrnsteinError, StoppedError

if TYPE_CHECKING:
    from ornstein.data.pack import Pack
    from ornstein.train.loop import Trainer
    from ornstein.train.monitor import Monitor


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe (emoji, fashion), a recipe file, a folder of pictures, or a packed set."
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
    licence: Annotated[
        str | None, typer.Option(help="SPDX licence of a folder's pictures that name none.")
    ] = None,
    holder: Annotated[str | None, typer.Option(help="Who holds the rights in them.")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy that says what may be learned from; the one in force.")
    ] = None,
    index: Annotated[
        bool, typer.Option(help="Make the model's sources traceable when it is trained.")
    ] = True,
) -> None:
    """Train a model; run the same command again to go on after a stop."""
    os.environ.setdefault(
        "THP_MEM_ALLOC_ENABLE", "1"
    )  # torch's large buffers in huge pages: a third fewer faults

    from ornstein.config import override
    from ornstein.data.pack import Pack
    from ornstein.recipes import RECIPES, find_recipe, read_recipe
    from ornstein.train.device import find_device
    from ornstein.train.folder import packed
    from ornstein.train.loop import Trainer, resolve

    source, changes = Path(recipe), settings or []
    if recipe in RECIPES or not source.exists():
        wanted = override(find_recipe(recipe), changes)
    elif source.is_file():
        wanted = override(read_recipe(source), changes)
    else:
        name = source.resolve().name
        data = packed(source, (out or Path("runs") / name) / "data", licence, holder)
        wanted = override(find_recipe("folder"), [f"name={name}", f"data.pack={data}", *changes])
    run = out or Path("runs") / wanted.name
    where = find_device(device)
    pack, counts = _permitted(Pack.open(Path(wanted.data.pack)), run / "data-without-duplicates", policy)
    if pack.folder != Path(wanted.data.pack):
        wanted = override(wanted, [f"data.pack={pack.folder}"])
    resolved = resolve(wanted, pack)
    run.mkdir(parents=True, exist_ok=True)
    typer.echo(
        f"{resolved.name}: {len(pack.indices('train')):,} training items of {pack.name}; run in {run}",
        err=True,
    )
    typer.echo("; ".join(f"{name}: {count:,}" for name, count in counts.items()), err=True)
    bundle = finish(Trainer(resolved, pack, run, where, caption_progress=_captions), run, counts)
    if index:
        _index(bundle, pack)
    typer.echo(f'try: ornstein generate "{(resolved.training.prompts or ("…",))[0]}" --model {bundle}')


def _permitted(pack: Pack, target: Path, policy: Path | None) -> tuple[Pack, dict[str, int]]:
    """What the policy lets be learned from: the pack, or one at `target` without duplicates; and counts of these."""
    from ornstein.data.duplicates import spare_ids
    from ornstein.data.write import NO_DOUBLES, rewritten
    from ornstein.guard.learning import exact_duplicates, refuse_forbidden
    from ornstein.guard.policy import Policy

    rules, rows = Policy.find(policy).training, pack.rows()
    refuse_forbidden(rows, rules)
    if rules.duplicates == "keep":
        return pack, {"exact duplicates": exact_duplicates(rows)}
    if not target.exists():
        rewritten(pack, target, spare_ids(pack, near=True), NO_DOUBLES)
    kept = Pack.open(target)
    return kept, {"duplicates left out": kept.header.notes[NO_DOUBLES]}


def finish(trainer: Trainer, run: Path, counts: dict[str, int] | None = None) -> Path:
    """Train to the end, with checkpoints, sample grids and Ctrl-C, then write the bundle, `counts` of data in it."""
    import time

    from ornstein.train.interrupt import Interrupt
    from ornstein.train.monitor import Monitor

    training = trainer.recipe.training
    saved, next_grid = time.monotonic(), trainer.progress.seen
    if trainer.progress.seen:
        typer.echo(f"resuming at {trainer.progress.seen:,} samples", err=True)
    with Monitor(run, training.samples, trainer.progress.seen) as monitor, Interrupt() as interrupt:
        for report in trainer.steps():
            monitor.show(report)
            if report.progress.seen >= next_grid + training.sample_samples:
                next_grid = report.progress.seen
                _grid(trainer, monitor, run)
            if interrupt.asked:
                trainer.save()
                raise StoppedError(
                    f"stopped at {report.progress.seen:,} samples; run the same command to go on"
                )
            if time.monotonic() - saved > training.checkpoint_seconds:
                trainer.save()
                saved = time.monotonic()
        trainer.save()
        _grid(trainer, monitor, run)
    bundle = trainer.write_bundle(run / "bundle", counts)
    typer.echo(f"wrote {bundle}")
    return bundle


def _index(folder: Path, pack: Pack) -> None:
    """Put an index of sources into a bundle that was just trained; what cannot have one is whole without."""
    from ornstein.bundle import Bundle
    from ornstein.cli.index import tell
    from ornstein.guard.trace.build import build
    from ornstein.guard.trace.sources import Sources

    try:
        Sources.open(build(Bundle.open(folder), pack, progress=tell))
    except OrnsteinError as error:
        typer.echo(f"its sources cannot be traced: {error}", err=True)


def _grid(trainer: Trainer, monitor: Monitor, run: Path) -> None:
    from ornstein.train.loop import stage_at
    from ornstein.train.monitor import sample_grid, write_grid

    if not trainer.recipe.training.prompts:
        return
    size = stage_at(trainer.recipe, trainer.progress.seen).size
    grid = sample_grid(trainer.averaged_model(), trainer.recipe.training.prompts, size)
    write_grid(grid, run / "samples" / f"{trainer.progress.seen:09d}.png")
    monitor.picture("samples", grid, trainer.progress.seen)


def _captions(done: int, total: int) -> None:
    if done % 3200 == 0 or done == total:
        typer.echo(f"captions: {done:,} of {total:,}", err=True)
