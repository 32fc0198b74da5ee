"""From a request to texts and tables that may go out, each with its credential beside it."""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ornstein.drawing import NOTHING, Spent
from ornstein.guard.publish import File
from ornstein.guard.rows import Form, GuardedRows, RowsAnswer
from ornstein.guard.texts import GuardedTexts, TextAnswer, held_back
from ornstein.request import Progress
from ornstein.serve.booking import Booking, Done, booked
from ornstein.serve.books import Made
from ornstein.serve.served import ServedFields
from ornstein.serve.service import Service
from ornstein.texts import TextRequest

T = TypeVar("T")
CREDENTIAL = "credential"
"""Under which an output's record has the credential that lies beside its file, in base64."""


@dataclass(frozen=True)
class Text:
    """A text that goes out: its place among those asked for, its id, its file, and what is to be told of it."""

    place: int
    id: str
    file: File
    answer: TextAnswer


@dataclass(frozen=True)
class Texts:
    """What became of a request: texts that go out, answers that were held back by place, and what it took."""

    texts: tuple[Text, ...]
    held: Mapping[int, TextAnswer]
    spent: Spent


@dataclass(frozen=True)
class Table:
    """Rows that go out."""

    id: str
    file: File
    answer: RowsAnswer
    spent: Spent


def write(
    service: Service,
    booking: Booking,
    guarded: GuardedTexts,
    asked: Sequence[TextRequest],
    progress: Progress,
) -> Texts:
    """Write texts, everything on the books. Raises as ``making.make``."""

    def make() -> Texts:
        answers, waited = _run(booking, lambda: guarded.make(asked, progress=progress), progress)
        going = {place: answer for place, answer in enumerate(answers) if answer.output is not None}
        with service.tracing.span("sign"):
            files = guarded.files(list(going.values()))
        texts = (
            Text(place, f"txt_{uuid.uuid4().hex}", file, answer)
            for (place, answer), file in zip(going.items(), files, strict=True)
        )
        held = {place: answer for place, answer in enumerate(answers) if answer.output is None}
        spent = sum((answer.spent for answer in answers), NOTHING)
        return Texts(tuple(texts), held, replace(spent, waited=waited))

    made = booked(service, booking, make, lambda made: _texts_done(service, made))
    if not made.texts:
        raise held_back(list(made.held.values()))
    return made


def fill(
    service: Service, booking: Booking, guarded: GuardedRows, form: Form, work: Callable[[], RowsAnswer],
    progress: Progress,
) -> Table:  # fmt: skip
    """Make or fill a table by `work`, everything on the books. Raises as ``making.make``."""

    def make() -> Table:
        answer, waited = _run(booking, work, progress)
        with service.tracing.span("sign"):
            file = guarded.file(answer, form)
        return Table(f"tab_{uuid.uuid4().hex}", file, answer, replace(answer.spent, waited=waited))

    def done(table: Table) -> Done:
        answer = table.answer
        rows, columns = answer.frame.shape
        record = answer.record.model_dump(mode="json") if answer.record else {}
        made = Made(
            table.id, service.store.put(table.file.data), form, columns, rows, answer.seed, _with(record, table.file),
            answer.decisions,
        )  # fmt: skip
        return Done([made], [], table.spent)

    return booked(service, booking, make, done)


def _run(booking: Booking, work: Callable[[], T], progress: Progress) -> tuple[T, float]:
    """By the lane of the model, in the turn of the key."""
    assert isinstance(booking.served, ServedFields)
    return booking.served.lane.run(work, progress, booking.key.id)


def _texts_done(service: Service, made: Texts) -> Done:
    """Files into the store; what the books keep."""
    outputs: list[Made] = []
    for one in made.texts:
        output = one.answer.output
        assert output is not None
        record = _with(output.record.model_dump(mode="json"), one.file)
        outputs.append(Made(
            one.id, service.store.put(one.file.data), "txt", len(output.text), 1, output.record.request.seed, record,
            one.answer.decisions,
        ))  # fmt: skip
    held = [decision for answer in made.held.values() for decision in answer.decisions]
    return Done(outputs, held, made.spent)


def _with(record: dict[str, Any], file: File) -> dict[str, Any]:
    """A record with the credential of its file."""
    return record if file.beside is None else {**record, CREDENTIAL: b64encode(file.beside).decode()}
