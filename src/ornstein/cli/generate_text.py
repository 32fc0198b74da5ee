"""``ornstein generate`` with a model of text: prompts with holes to texts, on the screen or in a file."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ornstein.errors import UsageError
from ornstein.guard.decision import RefusedError

if TYPE_CHECKING:
    from ornstein.texts import TextModel, TextOutput


def write(
    model: TextModel,
    prompts: Sequence[str] | None,
    n: int,
    seed: int | None,
    settings: Mapping[str, Any],
    out: Path | None,
    as_json: bool,
    force: bool,
) -> None:
    """Write `n` texts of each prompt; those that repeat a long span of the training text are held back.

    Raises:
        UsageError: no prompt, or one that cannot be followed. RefusedError: every text was held back.
    """
    from ornstein.cli.generate import progress_bar
    from ornstein.output import refuse_existing
    from ornstein.output import write as write_file

    if not prompts:
        raise UsageError('give a prompt: how the text begins, or a text with holes such as "[MASK*20]"')
    if out is not None:
        refuse_existing(out, force)
    started, first = time.perf_counter(), secrets.randbelow(2**32) if seed is None else seed
    made: list[TextOutput] = []
    with progress_bar() as progress:
        for prompt in prompts:
            made += model.generate(prompt, n, first, **settings, progress=progress)
    going = [output for output in made if not _copies(model, output)]
    if as_json:
        texts = [{"text": one.text, **one.record.model_dump(mode="json")} for one in going]
        shown = json.dumps(
            {"model": model.recipe.name, "seconds": time.perf_counter() - started, "texts": texts}
        )
    else:
        shown = "\n\n".join(one.text for one in going)
    if out is not None and going:
        write_file(out, f"{shown}\n".encode(), force)
        typer.echo(str(out))
    elif going:
        typer.echo(shown)
    if not going:
        raise RefusedError("every text repeats a long span of the training text: try another seed")


def _copies(model: TextModel, output: TextOutput) -> bool:
    """Whether a text is held back as a copy, which is then told."""
    from ornstein.cli.generate import note

    spans = model.copied(output.text, output.record.request.prompt)
    if spans:
        longest = max(spans, key=lambda span: span.words)
        note(
            f"the text of seed {output.record.request.seed} is held back: {longest.words} words in a row stand in the "
            f"training text: {output.text[longest.start : longest.end][:60]!r}…"
        )
    return bool(spans)
