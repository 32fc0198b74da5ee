"""What becomes of a request: a picture and what was decided of it, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ornstein.control.source import Source
from ornstein.drawing import NOTHING, Spent
from ornstein.guard.decision import Decision, RefusedError, told
from ornstein.output import Output
from ornstein.request import Request


@dataclass(frozen=True)
class Answer:
    """What became of one request.

    Attributes:
        id: of the call, as records name it. asked: as it came.
        output: the picture; None where it was held back.
        decisions: all that was decided, at every stage; what was changed stands in them and is to be disclosed.
        case: of the review that it waits for; None where it waits for none.
        seconds: its share of the call. spent: on this picture, all tries together.
        source: what it was made from; None for noise alone.
    """

    id: str
    asked: Request
    output: Output | None
    decisions: tuple[Decision, ...]
    case: str | None = None
    seconds: float = 0.0
    spent: Spent = NOTHING
    source: Source | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """What the one who asked is to be told: a line for each change, and why there is no picture."""
        return told(self.decisions)


def held_back(answers: Sequence[Answer]) -> RefusedError:
    """The error that tells what was held back of answers of which at least one was."""
    kept = [answer for answer in answers if answer.output is None]
    first = kept[0]
    why = f"held for review as {first.case}" if first.case else first.told[-1]
    were = "was" if len(kept) == 1 else "were"
    count = "the picture was" if len(answers) == 1 else f"{len(kept)} of {len(answers)} pictures {were}"
    return RefusedError(f"{count} held back: {why}", first.decisions, first.case)
