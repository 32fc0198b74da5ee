"""From a request to picture files that may go out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ornstein.control.source import Source
from ornstein.drawing import NOTHING, Previews, Spent
from ornstein.guard.answer import Answer, held_back
from ornstein.record import FileForm
from ornstein.request import Progress, Request
from ornstein.serve.booking import Booking, Done, booked
from ornstein.serve.books import Made
from ornstein.serve.served import ServedPictures
from ornstein.serve.service import Service


@dataclass(frozen=True, kw_only=True)
class Job(Booking):
    """One request, checked and ready to be made.

    Attributes:
        served: of which model. asked: one for each picture.
        form: of the files. sources: one for each picture, or none.
    """

    served: ServedPictures
    asked: Sequence[Request]
    form: FileForm
    sources: Sequence[Source] = ()


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
    result = booked(
        service, job, lambda: _made(service, job, progress, previews), lambda made: _done(service, job, made)
    )
    if not result.pictures:
        raise held_back(list(result.held.values()))
    return result


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


def _done(service: Service, job: Job, result: Result) -> Done:
    """Files into the store; what the books keep."""
    return Done(
        [_entry(service, job, picture) for picture in result.pictures],
        [decision for answer in result.held.values() for decision in answer.decisions],
        result.spent,
        waits=any(one.case for one in result.held.values()),
        pictures=[picture.answer.output.array for picture in result.pictures if picture.answer.output],
    )


def _entry(service: Service, job: Job, picture: Picture) -> Made:
    """A picture as the books have it, its file in the store."""
    output = picture.answer.output
    assert output is not None
    height, width = output.array.shape[:2]
    return Made(
        picture.id, service.store.put(picture.data), job.form.format, width, height, output.record.request.seed,
        output.record.model_copy(update={"form": job.form}).model_dump(mode="json"), picture.answer.decisions,
    )  # fmt: skip
