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

if TYPE_CHECKING:
    from ornstein.guard.texts import GuardedTexts, TextAnswer


def write(
    guard: GuardedTexts,
    prompts: Sequence[str] | None,
    n: int,
    seed: int | None,
    settings: Mapping[str, Any],
    out: Path | None,
    as_json: bool,
    force: bool,
) -> None:
    """Write `n` texts of each prompt; those that the policy holds back are told.

    Raises:
        UsageError: no prompt, or one that cannot be followed. RefusedError: the policy refuses a prompt, or every text
            was held back.
    """
    from ornstein.cli.generate import note, progress_bar
    from ornstein.cli.rows import credential_file, write_beside
    from ornstein.guard.texts import held_back
    from ornstein.output import refuse_existing

    if not prompts:
        raise UsageError('give a prompt: how the text begins, or a text with holes such as "[MASK*20]"')
    for file in (out, credential_file(out)) if out is not None else ():
        refuse_existing(file, force)
    started, first = time.perf_counter(), secrets.randbelow(2**32) if seed is None else seed
    answers: list[TextAnswer] = []
    with progress_bar() as progress:
        for prompt in prompts:
            answers += guard.make(guard.requests(prompt, n, first, **settings), progress=progress)
    for answer in answers:
        for line in answer.told:
            note(f"the text of seed {answer.asked.seed}: {line}")
    going = [answer for answer in answers if answer.output is not None]
    if not going:
        raise held_back(answers)
    shown = _shown(guard, going, time.perf_counter() - started, as_json)
    if out is None:
        guard.files(going)  # on record before anybody has them
        typer.echo(shown)
        return
    write_beside(out, guard.document(going, f"{shown}\n".encode()), force)
    typer.echo(str(out))


def _shown(guard: GuardedTexts, going: Sequence[TextAnswer], seconds: float, as_json: bool) -> str:
    """Texts for people, or with their records for machines."""
    outputs = [answer.output for answer in going if answer.output]
    if not as_json:
        return "\n\n".join(one.text for one in outputs)
    texts = [{"text": one.text, **one.record.model_dump(mode="json")} for one in outputs]
    return json.dumps({"model": guard.name, "seconds": seconds, "texts": texts})
