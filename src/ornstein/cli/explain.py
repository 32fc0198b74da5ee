"""``ornstein explain``: one picture's way from noise, as an animation and a page with curves."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from ornstein.cli.evaluate import progress
from ornstein.cli.generate import Force, Guidance, Named, Negative, Sampler, Steps


def explain(
    model: Annotated[str, typer.Argument(help="A model's name or its folder.")],
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    steps: Steps = None,
    guidance: Guidance = None,
    sampler: Sampler = None,
    negative: Negative = "",
    out: Annotated[Path, typer.Option(help="Folder of the page, the animation and the numbers.")] = Path(
        "explained"
    ),
    policy: Named = None,
    force: Force = False,
) -> None:
    """Show how a picture comes out of noise: what is guessed at each step, and what the schedule spends where."""
    from ornstein.evaluate.report import require_extra
    from ornstein.explain import measure, page
    from ornstein.guard.answer import held_back
    from ornstein.guard.guarded import Guarded
    from ornstein.guard.policy import Policy
    from ornstein.model import Model
    from ornstein.output import refuse_unwritable
    from ornstein.request import requests

    require_extra()
    page.refuse_folder(out, force)
    refuse_unwritable(out.absolute().parent)
    ready = Model.load(model)
    guard = Guarded(ready, Policy.find(policy))
    asked = requests(
        prompt, 1, seed, negative, ready.recipe.sampling, steps=steps, guidance=guidance, sampler=sampler
    )
    (answer,) = guard.make(asked)  # as it goes out, so that nothing else is shown
    if answer.output is None:
        raise held_back([answer])
    record = answer.output.record
    imprint = guard.publisher.imprint_of(record)
    with progress() as tell:
        way = measure.way(ready, record.request, lambda *k: tell("drawing", *k), imprint)
        errors = measure.errors(ready, record.request, lambda *k: tell("measuring by noise level", *k))
    page.write(
        ready, way, errors, out, shlex.join(["ornstein", *sys.argv[1:]]),
        sign=lambda file: guard.derived(answer, file, "animation"), force=force,
    )  # fmt: skip
    for name in (page.PAGE, page.ANIMATION, page.NUMBERS):
        typer.echo(str(out / name))
