"""From a request to files that may go out: on the books before anything is made, and before anybody has them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

from ornstein.control.source import Source
from ornstein.drawing import Previews, Spent
from ornstein.errors import OrnsteinError
from ornstein.guard.decision import CheckerError, RefusedError
from ornstein.guard.guarded import Answer
from ornstein.record import FileForm
from ornstein.request import Progress, Request
from ornstein.serve.books import Accepted, Key, Made
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
    """A picture that goes out: its id, its file, and what is to be told of it."""

    id: str
    data: bytes
    answer: Answer
    revised: str | None


@dataclass(frozen=True)
class Result:
    """What became of a job: pictures that go out, answers that were held back, and what it took."""

    pictures: tuple[Picture, ...]
    held: tuple[Answer, ...]
    spent: Spent


def make(service: Service, job: Job, progress: Progress, previews: Previews | None = None) -> Result:
    """Do a job. It is on the books before it begins, and all of it in store and books before this returns.

    Raises:
        RefusedError, CheckerError: by the policy. OverloadedError, BooksError, OrnsteinError: as their parts do.
        GoneError: as `progress` does.
    """
    service.books.accept(
        Accepted(
            job.id, job.key.id, job.served.name, job.kind, prompt=job.prompt, settings=job.settings,
            count=len(job.asked),
        )
    )  # fmt: skip
    try:
        _within_the_day(service, job.key)
        result = _made(service, job, progress, previews)
    except BaseException as error:
        _ended(service, job, error)
        raise
    _finish(service, job, result)
    if not result.pictures:
        raise nothing_left(result.held)
    return result


def _within_the_day(service: Service, key: Key) -> None:
    """Refuse what is beyond a key's pictures of a day; the request itself is on the books, and counts. Raises LimitError."""
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
    going = [answer for answer in answers if answer.output is not None]
    files = guarded.files(going, job.form)
    return Result(
        tuple(
            Picture(f"img_{uuid.uuid4().hex}", file.data, answer, _revised(answer))
            for answer, file in zip(going, files, strict=True)
        ),
        tuple(answer for answer in answers if answer.output is None),
        sum((answer.spent for answer in answers), Spent()),
    )


def _revised(answer: Answer) -> str | None:
    """The prompt that was drawn, where it is not the one that came."""
    assert answer.output is not None
    drawn = answer.output.record.request.prompt
    return drawn if drawn != answer.asked.prompt else None


def _finish(service: Service, job: Job, result: Result) -> None:
    """Files into the store, then everything into the books."""
    outputs = []
    for picture in result.pictures:
        output = picture.answer.output
        assert output is not None
        height, width = output.array.shape[:2]
        outputs.append(
            Made(
                picture.id, service.store.put(picture.data), job.form.format, width, height,
                output.record.request.seed, output.record.model_dump(mode="json"),
                picture.answer.decisions,
            )
        )  # fmt: skip
    decisions = [decision for answer in result.held for decision in answer.decisions]
    outcome = "done" if outputs else "held" if any(answer.case for answer in result.held) else "refused"
    service.books.finish(job.id, outcome, outputs, decisions, result.spent)
    _measure(service, job, outcome, result.spent)


def _ended(service: Service, job: Job, error: BaseException) -> None:
    """Write down how it ended without a picture; where even that fails, the next start finds it lost."""
    outcome, decisions = "failed", ()
    if isinstance(error, GoneError):
        outcome = "cancelled"
    elif isinstance(error, RefusedError) and not isinstance(error, CheckerError):
        outcome, decisions = "refused", error.decisions
    try:
        service.books.finish(job.id, outcome, (), decisions, Spent())
    except Exception as failed:
        log.warning("request %s could not be closed in the books (%s)", job.id, type(failed).__name__)
    _measure(service, job, outcome, Spent())


def _measure(service: Service, job: Job, outcome: str, spent: Spent) -> None:
    service.metrics.finished(job.served.name, job.kind, outcome, spent)


def nothing_left(held: Sequence[Answer]) -> RefusedError:
    """The refusal of a request of which every picture was held back."""
    from ornstein.guard.guarded import held_back

    error = held_back(held)
    error.case = next((answer.case for answer in held if answer.case), None)
    return error
