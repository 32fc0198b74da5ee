"""``ornstein evaluate``: how good a model is, beside real pictures, as a report and as numbers in its bundle."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ornstein.cli.generate import Sampler

if TYPE_CHECKING:
    from ornstein.evaluate.evaluation import Evaluation, Evaluator, Plan
    from ornstein.evaluate.kinds import Asked, Measured
    from ornstein.evaluate.sweep import Sweep

Tell = Callable[[str, int, int], None]
PICTURES = 2000  # where nothing else is said


def evaluate(
    model: Annotated[str, typer.Argument(help="A model's name or its folder.")],
    against: Annotated[
        Path | None,
        typer.Option(
            help="A pack of unseen pictures; else what the training pack holds out. An imported model needs one."
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Generated, and as many real ones: 2000 pictures, 100 texts, rows as were learned from."
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Of text a pack (the model's own); of rows files with rows learned from and others."
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Of rows: a column that others shall foretell.")] = None,
    steps: Annotated[int | None, typer.Option(help="Sampler steps (the model's default).")] = None,
    guidance: Annotated[float | None, typer.Option(help="How strongly prompts steer; 1 is off.")] = None,
    sampler: Sampler = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    networks: Annotated[
        list[str] | None,
        typer.Option("--features", help="effnet-lite0, dinov2, clip, inception, or a vision model's folder."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report (evaluations/NAME).")] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Also measure samplers, steps and guidance, and take the best.")
    ] = False,
    fail_if: Annotated[
        list[str] | None, typer.Option(help="Exit with 1 where this holds, e.g. 'fdr>1.3'; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the measurements as JSON.")] = False,
) -> None:
    """Measure a model: report.html, metrics.json, and the card of its bundle. An interrupted run goes on."""
    from ornstein.data.atomic import new_file
    from ornstein.errors import UsageError
    from ornstein.evaluate.compare import parse_rule
    from ornstein.evaluate.evaluation import Evaluator, Plan
    from ornstein.evaluate.kinds import Asked
    from ornstein.evaluate.report import require_extra, write_report
    from ornstein.evaluate.samples import Settings
    from ornstein.loading import load
    from ornstein.model import Model

    require_extra()
    for rule in fail_if or []:
        parse_rule(rule)  # a typing error is told now, not after the work
    ready = load(model)
    if not isinstance(ready, Model):
        asked = Asked(samples, seed, tuple(data or ()), target)
        _measure(ready, asked, out or Path("evaluations") / ready.recipe.name, fail_if or [], as_json)
        return
    if data or target:
        raise UsageError(
            "--data and --target are of models of texts and rows: pictures are set beside --against PACK"
        )
    folder = out or Path("evaluations") / ready.recipe.name
    plan = Plan(samples or PICTURES, Settings.of(ready, steps, guidance, sampler), seed)
    if networks:
        plan = replace(plan, networks=tuple(dict.fromkeys(networks)))
    with progress() as tell:
        evaluator = Evaluator(ready, folder / "cache", against, tell)
        if evaluator.steered and evaluator.scorer is None and not evaluator.by_class:
            typer.echo(f"{_unjudged(evaluator)}: going on without", err=True)
        swept = _swept(evaluator, plan) if sweep else None
        if swept is not None:
            plan = replace(plan, settings=swept.recommended)
        found = evaluator.run(plan)
    folder.mkdir(parents=True, exist_ok=True)
    write_report(found, folder / "report.html", shlex.join(["ornstein", *sys.argv[1:]]), swept)
    values = found.metrics() | ({"sweep": swept.facts()} if swept else {})
    metrics = json.dumps(values, indent=1, ensure_ascii=False)
    with new_file(folder / "metrics.json") as part:
        part.write_text(metrics + "\n", encoding="utf-8")
    _record(ready, values, plan if sweep else None)
    typer.echo(metrics if as_json else _summary(found, folder))
    gate([found], fail_if or [])


def _measure(model: Any, asked: Asked, folder: Path, rules: list[str], as_json: bool) -> None:
    """Measure a model of texts or rows, by whatever measures its class."""
    from ornstein.data.atomic import new_file
    from ornstein.evaluate.kinds import measure

    with progress() as tell:
        found = measure(model, asked, tell)
    folder.mkdir(parents=True, exist_ok=True)
    metrics = json.dumps(found.values, indent=1, ensure_ascii=False)
    pages = {"metrics.json": f"{metrics}\n"}
    if found.page is not None:
        pages["report.html"] = found.page(shlex.join(["ornstein", *sys.argv[1:]]))
    for name, text in pages.items():
        with new_file(folder / name) as part:
            part.write_text(text, encoding="utf-8")
    _record(model, found.values, None)
    lines = [f"{name:<24} {value:>8}   {beside}" for name, value, beside in found.headlines]
    typer.echo(metrics if as_json else "\n".join([*lines, f"figures: {folder}"]))
    gate([found], rules)


def _unjudged(evaluator: Evaluator) -> str:
    """Why nothing tells whether pictures show their prompts."""
    pack = evaluator.real.training
    if evaluator.real.unaltered:
        return f"no scorer for this data (ornstein scorer {pack.folder})"
    return (
        f"{pack.name} has transparent pictures and the model makes none: what knows those cannot judge these"
    )


def gate(evaluations: Sequence[Evaluation | Measured], rules: list[str]) -> None:
    """Fail where a rule does. Raises OrnsteinError."""
    from ornstein.errors import OrnsteinError
    from ornstein.evaluate.compare import broken

    failures = [f"{e.model}: {line}" for e in evaluations for line in broken(rules, e)]
    if failures:
        raise OrnsteinError("; ".join(failures))


def _swept(evaluator: Evaluator, plan: Plan, samples: int = 300) -> Sweep:
    """A sweep around the plan's settings, on fewer samples."""
    from ornstein.evaluate.sweep import sweep

    return sweep(evaluator, replace(plan, samples=min(samples, plan.samples)))


def _record(model: Any, found: dict[str, Any], chosen: Plan | None) -> None:
    """Write the measurements, and settings that a sweep chose, into the bundle."""
    from ornstein.errors import OrnsteinError
    from ornstein.saving import with_metrics

    assert model.bundle is not None
    try:
        known = model.bundle.metrics()  # other measurements, such as retrieval, stay
        with_metrics(model.bundle, {**known, **found}, chosen.settings.defaults() if chosen else {})
    except OrnsteinError as error:
        typer.echo(f"the bundle keeps its old card: {error}", err=True)


def _summary(found: Evaluation, folder: Path) -> str:
    from ornstein.evaluate.report import headlines

    lines = [f"{name:<20} {value:>8}   {note}" for name, value, note in headlines(found)]
    notes = [found.words.note] if found.words.note else []
    return "\n".join([*lines, *notes, f"report: {folder / 'report.html'}"])


@contextmanager
def progress() -> Iterator[Tell]:
    """A bar on a terminal, a line for each new task elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of)
                if not console.is_terminal:
                    typer.echo(what, err=True)
            bar.update(tasks[what], completed=done, total=of)

        yield tell
