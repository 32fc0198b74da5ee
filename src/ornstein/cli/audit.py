"""``ornstein audit``: what a model does that nobody asked for."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.cli.evaluate import progress

if TYPE_CHECKING:
    from ornstein.guard.bias.audit import Audit

app = typer.Typer(name="audit", no_args_is_help=True, help="Look at what a model does that nobody asked for.")


@app.callback()
def about() -> None:
    """Look at what a model does that nobody asked for."""


@app.command()
def bias(
    model: Annotated[str, typer.Argument(help="A model's name or its folder.")],
    pack: Annotated[
        Path, typer.Option(help="A pack with pictures of people: whose labels and captions are used.")
    ] = Path("data/emoji"),
    guidance: Annotated[
        list[float] | None, typer.Option(help="A scale; may be repeated (1, the model's own, and 8).")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=100, help="Pictures of each prompt at each scale.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of the first picture.")] = 0,
    policy: Annotated[
        Path | None, typer.Option(help="A policy whose quotas are applied and held against (none are).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report (audits/NAME).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Gender and skin tone of the people a model draws where the prompt leaves them open."""
    from ornstein.data.atomic import new_file
    from ornstein.data.pack import Pack
    from ornstein.evaluate.report import require_extra
    from ornstein.guard.bias.audit import Plan, audit
    from ornstein.guard.bias.learned import Learned
    from ornstein.guard.bias.report import write_report
    from ornstein.guard.policy import Policy
    from ornstein.model import Model
    from ornstein.output import refuse_unwritable

    require_extra()
    quotas = Policy.read(policy).quotas if policy else ()
    opened, ready = Pack.open(pack), Model.load(model)
    folder = out or Path("audits") / ready.recipe.name
    refuse_unwritable(folder.absolute())
    scales = guidance or [1.0, ready.recipe.sampling.guidance, 8.0]
    plan = Plan(tuple(dict.fromkeys(scales)), n, seed, quotas)
    assert ready.bundle is not None
    with progress() as tell:
        found = audit(ready, ready.recipe.name, opened, plan, Learned.of(ready.bundle), tell)
    folder.mkdir(parents=True, exist_ok=True)
    write_report(found, folder / "report.html", shlex.join(["ornstein", *sys.argv[1:]]))
    figures = json.dumps(found.facts(), indent=1, ensure_ascii=False)
    with new_file(folder / "bias.json") as part:
        part.write_text(figures + "\n", encoding="utf-8")
    typer.echo(figures if as_json else _summary(found, folder))


def _summary(found: Audit, folder: Path) -> str:
    lines: list[str] = []
    for figures in found.found:
        shares, name = figures.shares, f"{figures.attribute}, guidance {figures.guidance:g}"
        told = [f"{value} {shares.share(value)}" for value in shares.values]
        away = shares.total_variation(figures.target) or "not known, hardly any picture shows a value"
        lines += [f"{name:<24}{'  '.join([*told, f'unclear {shares.unclear.value:.3f}'])}"]
        lines += [f"{'':<24}total variation to the target: {away}"]
    return "\n".join([*lines, f"report: {folder / 'report.html'}"])
