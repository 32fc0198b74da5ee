"""``ornstein compare``: models side by side on the same prompts and seeds."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.cli.evaluate import gate, progress

if TYPE_CHECKING:
    from ornstein.evaluate.compare import Row
    from ornstein.evaluate.evaluation import Evaluation


def compare(
    models: Annotated[list[str], typer.Argument(help="Names or folders; the first is compared with.")],
    against: Annotated[
        Path | None,
        typer.Option(
            help="A pack of unseen pictures; else what the training pack holds out. Imported models need one."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="Pictures of each model, and as many real ones.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of compare.html and what is kept.")] = Path("evaluations"),
    fail_if: Annotated[
        list[str] | None,
        typer.Option(help="Exit with 1 where this holds of the last model, e.g. 'fdr>1.3'; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Measure several models, each at its own defaults, and say which differences are real."""
    from ornstein.data.atomic import new_file
    from ornstein.errors import UsageError
    from ornstein.evaluate.compare import compare as side_by_side
    from ornstein.evaluate.compare import parse_rule
    from ornstein.evaluate.evaluation import Evaluator, Plan
    from ornstein.evaluate.report import render_comparison, require_extra
    from ornstein.evaluate.samples import Settings
    from ornstein.model import Model

    if len(models) < 2:
        raise UsageError("name at least two models to compare")
    require_extra()
    for rule in fail_if or []:
        parse_rule(rule)  # a typing error is told now, not after the work
    found: list[Evaluation] = []
    for name in models:
        ready = Model.load(name)
        with progress() as tell:
            evaluator = Evaluator(ready, out / ready.recipe.name / "cache", against, tell)
            found.append(evaluator.run(Plan(samples, Settings.of(ready), seed)))
        found[-1].model = Path(name).name
    rows = side_by_side(found)
    out.mkdir(parents=True, exist_ok=True)
    with new_file(out / "compare.html") as part:
        part.write_text(
            render_comparison(found, rows, shlex.join(["ornstein", *sys.argv[1:]])), encoding="utf-8"
        )
    typer.echo(_as_json(found, rows) if as_json else _table(found, rows))
    if not as_json:
        for note in (e.words.note for e in found if e.words.note):
            typer.echo(note)
        typer.echo(f"report: {out / 'compare.html'}")
    gate(found[-1:], fail_if or [])


def _table(found: list[Evaluation], rows: list[Row]) -> str:
    lines = ["".join([f"{'figure':<30}", *(f"{e.model[:28]:>30}" for e in found), f"{'real':>30}"])]
    for row in rows:
        name = f"{row.figure.key} {row.figure.features}".strip()
        cells = [f"{value}" for value in row.values]
        cells = [cells[0], *(f"{v} {c}" for v, c in zip(row.verdicts, cells[1:], strict=True))]
        cells.append(f"{row.real}" if row.real else "")
        lines.append(f"{name[:29]:<30}" + "".join(f"{cell:>30}" for cell in cells))
    return "\n".join(lines)


def _as_json(found: list[Evaluation], rows: list[Row]) -> str:
    values = [
        {
            "figure": row.figure.key, "features": row.figure.features, "better": row.figure.better,
            "models": {
                e.model: {"value": v.value, "low": v.low, "high": v.high}
                for e, v in zip(found, row.values, strict=True)
            },
            "verdicts": dict(zip([e.model for e in found[1:]], row.verdicts, strict=True)),
        }
        for row in rows
    ]  # fmt: skip
    return json.dumps(values, indent=1, ensure_ascii=False)
