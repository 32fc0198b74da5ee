"""``ornstein generate --prompts FILE``: a file of prompts becomes a folder of pictures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ornstein.errors import UsageError

if TYPE_CHECKING:
    from ornstein.guard.guarded import Guarded
    from ornstein.record import FileForm
    from ornstein.request import Progress
    from ornstein.serve.bulk.order import Order

LINES_EVERY = 60.0  # seconds between lines where stderr is no terminal


@dataclass(frozen=True)
class Team:
    """Who works where: a cluster's address or "local", how many processes, and what each of them loads."""

    cluster: str
    workers: int
    model: str
    device: str


def refuse_without_file(prompts: Sequence[str] | None, **given: Any) -> None:
    """Raise UsageError for options that only a file of prompts gives a meaning, and where there is no prompt at all."""
    if not prompts:
        raise UsageError("no prompt: say what to draw, or name a file of prompts by --prompts")
    for name, value in given.items():
        if value:
            raise UsageError(f"--{name} belongs to --prompts FILE: name one")


def refuse_with_file(
    out: Path | None, prompts: Sequence[str] | None, force: bool, source: Path | None
) -> None:
    """Raise UsageError for what does not go with a file of prompts."""
    if prompts:
        raise UsageError("prompts come from the file or from the command line, not from both")
    if out is None:
        raise UsageError("name the folder of the results: --out FOLDER")
    if source is not None:
        raise UsageError("a file of prompts starts from noise: leave --source out")
    if force:
        raise UsageError("a folder of results is gone on with, never replaced: leave --force out")


def order(n: int, seed: int | None, settings: dict[str, Any], form: FileForm, keep: bool) -> Order:
    """What the command's options order of each row."""
    from ornstein.config import parse
    from ornstein.serve.bulk.order import Order

    chosen = {name: value for name, value in settings.items() if value not in (None, "")}
    return parse(Order, {"n": n, "seed": seed or 0, "settings": chosen, "form": form, "keep": keep})


def bulk(guard: Guarded, rows: Path, out: Path, order: Order, team: Team | None, as_json: bool) -> None:
    """Make what is ordered, or what an earlier run left of it. Raises as ``serve.bulk.run.run``; RefusedError."""
    from ornstein.cli.generate import warnings_told
    from ornstein.serve.bulk.run import here, run

    started = time.perf_counter()
    with warnings_told(), _told() as progress, _hired(guard, order, team) as work:
        summary = run(guard, rows, out, order, work=work or here(guard, order), progress=progress)
    if as_json:
        seconds = time.perf_counter() - started
        typer.echo(json.dumps({**summary.model_dump(mode="json"), "seconds": seconds}))
    else:
        typer.echo(str(summary.folder))
    summary.raise_refused()


def _hired(guard: Guarded, order: Order, team: Team | None) -> Any:
    """The cluster's workers, or nobody."""
    if team is None:
        return nullcontext()
    from ornstein.serve.bulk.workers import Loading, hired

    return hired(team.cluster, team.workers, Loading.of(guard, team.model, team.device), order)


@contextmanager
def _told() -> Iterator[Progress]:
    """Yields a progress function: a bar with rate and time left, or a line a minute where nobody looks at a bar."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn()
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task("", total=None, rate="")
    begun: tuple[float, int] | None = None
    told = time.monotonic()

    def progress(done: int, of: int) -> None:
        nonlocal begun, told
        now = time.monotonic()
        if begun is None:
            begun = now, done
            bar.start()
        rate = (done - begun[1]) / max(now - begun[0], 1e-9)
        bar.update(task, completed=done, total=of, rate=f"{rate:.1f}/s")
        if not console.is_terminal and now - told >= LINES_EVERY and rate:
            told = now
            left = (of - done) / rate / 60
            typer.echo(f"ornstein: note: {done:,} of {of:,}, {rate:.1f}/s, {left:.0f} min left", err=True)

    try:
        yield progress
    finally:
        bar.stop()
