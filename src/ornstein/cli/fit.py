"""``ornstein fit``: samplers of few evaluations, fitted to one network and kept in its bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.cli.evaluate import progress

if TYPE_CHECKING:
    from ornstein.sample.fitted import Fit


def fit(
    model: Annotated[str, typer.Argument(help="A model's name or its folder.")],
    evaluations: Annotated[
        list[int] | None, typer.Option(help="Of the network, 2 to 64; may be repeated (4, 6 and 8).")
    ] = None,
    guidance: Annotated[
        float | None, typer.Option(help="The scale it is made for (the model's default).")
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="A text file of prompts, one a line; else what the model learned from. Imported ones tell none."
        ),
    ] = None,
    trajectories: Annotated[int, typer.Option(help="Of the fine sampler; a quarter only measures.")] = 128,
    iterations: Annotated[int, typer.Option(help="Of the optimiser, for each.")] = 160,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="A new bundle; else the fits go into this one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the fitted numbers as JSON.")] = False,
) -> None:
    """Fit samplers of few evaluations; a picture of as many steps then uses them without being asked."""
    from ornstein.distil.prompts import prompts_of, read_prompts
    from ornstein.distil.solver import Plan, check, examples, with_fits
    from ornstein.distil.solver import fit as fit_one
    from ornstein.model import Model

    given = read_prompts(prompts) if prompts else ()
    ready, plan = Model.load(model), Plan(trajectories, iterations, seed=seed)
    scale = ready.recipe.sampling.guidance if guidance is None else guidance
    counts = list(dict.fromkeys(evaluations or [4, 6, 8]))
    check(ready, counts, scale, plan, out)
    asked = prompts_of(ready, given)
    with progress() as tell:
        known = examples(ready, scale, plan, tell, asked)
        found = [fit_one(ready, count, known, scale, plan, tell) for count in counts]
    kept = with_fits(ready, found, out)
    typer.echo(json.dumps([fit.model_dump() for fit in found]) if as_json else _summary(found, kept))


def _summary(fits: list[Fit], folder: Path) -> str:
    lines = [
        f"{fit.evaluations:>3} evaluations: {fit.error:.3f} deviations from the fine sampler, "
        f"where DPM-Solver++(2M) is {fit.plain:.3f}"
        + ("" if fit.error < fit.plain else " (no better: not kept)")
        for fit in fits
    ]
    return "\n".join([*lines, f"kept in {folder}"])
