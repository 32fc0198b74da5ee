"""The folder: one page that needs nothing else, the animation, and the numbers."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ornstein.data.atomic import new_folder
from ornstein.errors import UsageError
from ornstein.evaluate.report import Safe, fill, picture
from ornstein.explain import draw
from ornstein.explain.measure import BYTES, Errors, Way
from ornstein.imported import ImportedModel
from ornstein.inverse import trained_levels
from ornstein.model import Model

PAGE, ANIMATION, NUMBERS = "index.html", "animation.webp", "numbers.json"


def refuse_folder(folder: Path, force: bool) -> None:
    """Raise UsageError where `folder` exists, unless `force` is given and it holds nothing but what is written here."""
    if not os.path.lexists(folder):
        return
    if not force:
        raise UsageError(f"{folder} exists already: choose another --out, or replace it with --force")
    if not folder.is_dir() or {file.name for file in folder.iterdir()} - {PAGE, ANIMATION, NUMBERS}:
        raise UsageError(f"{folder} holds other things than a page of this command: choose another --out")


def write(
    model: Model,
    way: Way,
    errors: Errors,
    folder: Path,
    command: str,
    *,
    sign: Callable[[bytes], bytes] = lambda file: file,
    force: bool = False,
) -> None:
    """Write page, animation and numbers, all or nothing.

    Args:
        model: that made the picture.
        way: to show.
        errors: by noise level.
        folder: where to, as ``refuse_folder`` allows.
        command: that makes them again.
        sign: puts a credential into the animation.
        force: replace what is there.

    Raises:
        UsageError: the folder is in use. OrnsteinError: the disk refuses. MissingExtraError: no plots or templates.
    """
    refuse_folder(folder, force)
    with new_folder(folder, force=force) as part:
        (part / PAGE).write_text(render(model, way, errors, command), encoding="utf-8")
        (part / ANIMATION).write_bytes(sign(draw.animation(way)))
        (part / NUMBERS).write_text(json.dumps(numbers(way, errors), indent=1, ensure_ascii=False) + "\n")


def numbers(way: Way, errors: Errors) -> dict[str, Any]:
    """Everything that is drawn, as plain values; infinite logsnr is null."""
    steps = [asdict(step) for step in way.steps]
    for step in steps:
        step["logsnr"] = step["logsnr"] if math.isfinite(step["logsnr"]) else None
    levels = [
        {"logsnr": level, **vars(error)} for level, error in zip(errors.levels, errors.errors, strict=True)
    ]
    measured = {"on": errors.source, "held_out": errors.held_out, "levels": levels}
    asked = way.request.model_dump(mode="json")
    return {"request": asked, "unit": way.unit, "steps": steps, "errors": measured}


def render(model: Model, way: Way, errors: Errors, command: str) -> str:
    """The page as HTML text; everything that came from a user or a bundle is escaped."""
    recipe = model.recipe
    shown = [
        (line, picture(noisy), picture(guess))
        for line, noisy, guess in zip(draw.captions(way), way.noisy, way.guesses, strict=True)
    ]
    # what a published checkpoint was trained at, nobody here knows
    levels = None if isinstance(model, ImportedModel) else trained_levels(recipe)
    plots = {
        "path": draw.path_chart(model, way),
        "spending": draw.spending_chart(way, levels),
        "errors": draw.errors_chart(errors, way),
        "change": draw.change_chart(way),
        "guidance": draw.guidance_chart(way),
    }
    low, high = recipe.sampling.interval
    return fill(
        "explain.html.jinja",
        Path(__file__).parent,
        model=recipe.name,
        kind=recipe.process.path.kind,
        way=way,
        errors=errors,
        shown=shown,
        steps=[(k + 1, step, draw.signed(step.logsnr)) for k, step in enumerate(way.steps)],
        half_level=draw.signed(way.steps[min(way.half, len(way.steps)) - 1].logsnr),
        trained=levels is not None
        and tuple(draw.signed(float(levels.quantile(q))) for q in (0.05, 0.5, 0.95)),
        early=levels is not None and sum(step.logsnr < float(levels.quantile(0.05)) for step in way.steps),
        late=levels is not None and sum(step.logsnr > float(levels.quantile(0.95)) for step in way.steps),
        steered=recipe.condition.kind != "nothing",
        told=isinstance(model, ImportedModel) and model.recipe.network.guided,
        latents=way.unit != BYTES,
        overshoot=max(step.left for step in way.steps) > 1.2 * way.steps[0].left,
        guided=sum(step.push > 0 for step in way.steps),
        interval=f"{low:g} to {high:g}",
        plots={name: Safe(plot) for name, plot in plots.items()},
        command=command,
    )
