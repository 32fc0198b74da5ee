"""From a request to files that may go out: on the books before anything is made, and before anybody has them."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

from ornstein.control.source import Source
from ornstein.drawing import NOTHING, Previews, Spent
from ornstein.errors import OrnsteinError
from ornstein.guard.answer import Answer, held_back
from ornstein.guard.decision import CheckerError, Decision, RefusedError
from ornstein.record import FileForm
from ornstein.request import Progress, Request
from ornstein.serve.books import Accepted, Key, Made
from ornstein.serve.books.values import Ending
from ornstein.serve.service import Served, Service

log = logging.getLogger("ornstein.serve")


class GoneError(Exception):
    """Nobody waits for it any more; raised by the progress of a job, it stops the work at the next step."""


class LimitError(OrnsteinError):
    """More than a key may use. `retry_after`: seconds until it may again."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Job:
    """One request, checked and ready to be made.

    Attributes:
        key: who asks. served: of which model. asked: one for each picture.
        form: of the files. prompt: as it came. sources: one for each picture, or none.
        settings: as they go into the books. id: unique.
    """

    key: Key
    served: Served
    kind: Literal["generation", "edit", "variation"]
    asked: Sequence[Request]
    form: FileForm
    prompt: str
    sources: Sequence[Source] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: f"req_{uuid.uuid4().hex}")


@dataclass(frozen=True)
class Picture:
    """A picture that goes out: its place among those asked for, its id, its file, and what is to be told of it."""

    place: int
    id: str
    data: bytes
    answer: Answer
    revised: str | None


@dataclass(frozen=True)
class Result:
    """What became of a job: pictures that go out, answers that were held back by place, and what it took."""

    pictures: tuple[Picture, ...]
    held: Mapping[int, Answer]
    spent: Spent


def make(service: Service, job: Job, progress: Progress, previews: Previews | None = None) -> Result:
    """Do a job. It is on the books before it begins, and all of it in store and books before this returns.

    Raises:
        RefusedError, CheckerError: by the policy. LimitError, OverloadedError, BooksError, OrnsteinError: as its parts.
        GoneError: as `progress` does.
    """
    began = time.time()
    accepted = Accepted(
        job.id,
        job.key.id,
        job.served.name,
        job.kind,
        prompt=job.prompt,
        settings=job.settings,
        count=len(job.asked),
    )
    with service.tracing.span("books"):
        service.books.accept(accepted)
    try:
        _within_the_day(service, job.key)
        result = _made(service, job, progress, previews)
        _keep(service, job, result, began)
    except BaseException as error:
        _ended(service, job, error, began)
        raise
    if not result.pictures:
        raise held_back(list(result.held.values()))
    return result


def _within_the_day(service: Service, key: Key) -> None:
    """Refuse what is beyond a key's pictures of a day; the request itself counts already. Raises LimitError."""
    most = key.limits.pictures_per_day
    if most is None:
        return
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if service.books.pictures(key.id, midnight) > most:
        left = (midnight + timedelta(days=1) - datetime.now(UTC)).total_seconds()
        raise LimitError(f"more than {most} pictures a day with this key", left)


def _made(service: Service, job: Job, progress: Progress, previews: Previews | None) -> Result:
    guarded, engine = job.served.guarded, job.served.engine
    answers = guarded.make(
        job.asked, sources=job.sources, progress=progress, previews=previews,
        draw=partial(engine.make, owner=job.key.id), check=job.served.check,
    )  # fmt: skip
    going = {place: answer for place, answer in enumerate(answers) if answer.output is not None}
    with service.tracing.span("sign"):
        files = guarded.files(list(going.values()), job.form)
    return Result(
        tuple(
            Picture(place, f"img_{uuid.uuid4().hex}", file.data, answer, _revised(answer))
            for (place, answer), file in zip(going.items(), files, strict=True)
        ),
        {place: answer for place, answer in enumerate(answers) if answer.output is None},
        sum((answer.spent for answer in answers), NOTHING),
    )


def _revised(answer: Answer) -> str | None:
    """The prompt that was drawn, where it is not the one that came."""
    assert answer.output is not None
    drawn = answer.output.record.request.prompt
    return drawn if drawn != answer.asked.prompt else None


def _keep(service: Service, job: Job, result: Result, began: float) -> None:
    """Files into the store, then everything into the books."""
    with service.tracing.span("store"):
        outputs = [_entry(service, job, picture) for picture in result.pictures]
    outcome: Ending = (
        "done" if outputs else "held" if any(one.case for one in result.held.values()) else "refused"
    )
    decisions = [decision for answer in result.held.values() for decision in answer.decisions]
    charge = job.served.meter.charge(result.spent, len(outputs))
    with service.tracing.span("books"):
        service.books.finish(job.id, outcome, outputs, decisions, result.spent, charge)
    service.pace.finished()
    decisions += [decision for picture in result.pictures for decision in picture.answer.decisions]
    service.tracing.spent(began, result.spent)
    service.metrics.ended(
        outcome, job.served.name, job.kind, time.time() - began, spent=result.spent, charge=charge,
        pictures=len(outputs), decisions=decisions,
    )  # fmt: skip
    made = [picture.answer.output.array for picture in result.pictures if picture.answer.output]
    service.watch.ended(job.served.name, outcome == "refused", made)


def _entry(service: Service, job: Job, picture: Picture) -> Made:
    """A picture as the books have it, its file in the store."""
    output = picture.answer.output
    assert output is not None
    height, width = output.array.shape[:2]
    return Made(
        picture.id, service.store.put(picture.data), job.form.format, width, height, output.record.request.seed,
        output.record.model_copy(update={"form": job.form}).model_dump(mode="json"), picture.answer.decisions,
    )  # fmt: skip


def _ended(service: Service, job: Job, error: BaseException, began: float) -> None:
    """Write down how it ended without a picture; where even that fails, the next start finds it lost."""
    outcome: Ending = "failed"
    decisions: tuple[Decision, ...] = ()
    if isinstance(error, GoneError):
        outcome = "cancelled"
    elif isinstance(error, RefusedError) and not isinstance(error, CheckerError):
        outcome, decisions = "refused", error.decisions
    try:
        service.books.finish(job.id, outcome, decisions=decisions)
    except Exception as failed:
        log.warning("a request could not be closed in the books: %s", type(failed).__name__)
    service.metrics.ended(outcome, job.served.name, job.kind, time.time() - began, decisions=decisions)
    if outcome == "refused":
        service.watch.ended(job.served.name, True)
