"""From values to rows and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from ornstein.config import parse
from ornstein.drawing import Spent
from ornstein.guard.decision import Decision
from ornstein.serve.books.privacy import Privacy
from ornstein.serve.books.tables import DecisionRow, OutputRow, RequestRow
from ornstein.serve.books.values import Accepted, Charge, Ending, Entry, Kind, Made, Outcome, now

SOUGHT = ("sampler", "size", "steps", "seed")  # settings that history is searched in


def request_row(entry: Accepted, privacy: Privacy, server: str) -> RequestRow:
    """The row of a request that has just been accepted."""
    row = RequestRow(
        id=entry.id, key=entry.key, model=entry.model, kind=entry.kind, prompt=privacy.prompt(entry.prompt),
        prompt_hash=privacy.hash(entry.prompt, entry.prompt_hash), settings=privacy.settings(entry.settings),
        count=entry.count, created=entry.created, day=entry.created.date().isoformat(), server=server,
        outcome="running",
    )  # fmt: skip
    row.words = _words(row, ())
    return row


def end(row: RequestRow, outcome: Ending, outputs: Sequence[Made], spent: Spent, charge: Charge) -> None:
    """Write an ending into a request's row."""
    row.outcome, row.finished, row.made = outcome, now(), len(outputs)
    row.evaluations, row.waited = spent.evaluations, spent.waited
    row.computed, row.guarded = spent.computed, spent.guarded
    row.joules, row.measured = charge.joules, charge.measured
    row.price, row.currency = charge.price, charge.currency
    row.words = _words(row, outputs)


def output_rows(request: str, outputs: Sequence[Made], privacy: Privacy) -> Iterator[OutputRow]:
    """The rows of a request's pictures."""
    for place, made in enumerate(outputs):
        yield OutputRow(
            id=made.id, request=request, place=place, sha256=made.sha256, format=made.format, width=made.width,
            height=made.height, seed=made.seed, record=privacy.record(made.record),
        )  # fmt: skip


def decision_rows(
    request: str, decisions: Sequence[Decision], outputs: Sequence[Made], privacy: Privacy
) -> Iterator[DecisionRow]:
    """The rows of decisions about a request, and about each of its pictures."""
    told = [(None, decision) for decision in decisions]
    told += [(made.id, decision) for made in outputs for decision in made.decisions]
    for output, decision in told:
        yield DecisionRow(
            request=request, output=output, stage=decision.stage, action=decision.action,
            decision=privacy.decision(decision),
        )  # fmt: skip


def entry_of(row: RequestRow) -> Entry:
    """A request's row, its outputs and its decisions, as a value."""
    told: dict[str | None, list[Decision]] = {}
    for said in row.decisions:
        told.setdefault(said.output, []).append(parse(Decision, said.decision))
    outputs = tuple(
        Made(o.id, o.sha256, o.format, o.width, o.height, o.seed, o.record, tuple(told.get(o.id, ())))
        for o in row.outputs
    )
    return Entry(
        id=row.id, key=row.key, model=row.model, kind=cast(Kind, row.kind), prompt=row.prompt, settings=row.settings,
        count=row.count, created=row.created, outcome=cast(Outcome, row.outcome), finished=row.finished,
        outputs=outputs, decisions=tuple(told.get(None, ())),
        spent=Spent(row.evaluations, row.waited, row.computed, row.guarded),
        charge=Charge(row.joules, row.measured, row.price, row.currency),
    )  # fmt: skip


def _words(row: RequestRow, outputs: Sequence[Made]) -> str:
    """What a request is found by; folded here, because databases fold but ASCII, or each its own way."""
    said: list[Any] = [
        row.prompt or "",
        row.model,
        row.kind,
        *(row.settings.get(name, "") for name in SOUGHT),
    ]
    said += [made.seed for made in outputs]
    return " ".join(dict.fromkeys(str(each) for each in said if each != "")).casefold()
