"""What every request goes through, whatever is made: on the books before anything is, and before anybody has it."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np

from ornstein.drawing import Spent
from ornstein.errors import OrnsteinError
from ornstein.guard.decision import CheckerError, Decision, RefusedError
from ornstein.serve.books import Accepted, Key, Made
from ornstein.serve.books.values import Ending, Kind
from ornstein.serve.served import Served
from ornstein.serve.service import Service

log = logging.getLogger("ornstein.serve")
T = TypeVar("T")


class GoneError(Exception):
    """Nobody waits for it any more; raised by the progress of a job, it stops the work at the next step."""


class LimitError(OrnsteinError):
    """More than a key may use. `retry_after`: seconds until it may again."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, kw_only=True)
class Booking:
    """A request as the books accept it.

    Attributes:
        key: who asks. served: of which model. prompt: as it came. settings: as they go into the books.
        count: of pictures, texts or tables. id: unique.
    """

    key: Key
    served: Served
    kind: Kind
    prompt: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1
    id: str = field(default_factory=lambda: f"req_{uuid.uuid4().hex}")


@dataclass(frozen=True)
class Done:
    """What became of it.

    Attributes:
        outputs: that go out; their files are in the store. decisions: about what was held back.
        waits: a person decides about some of it. spent: in all. pictures: as pixels, for who watches them.
    """

    outputs: Sequence[Made]
    decisions: Sequence[Decision]
    spent: Spent
    waits: bool = False
    pictures: Sequence[np.ndarray] = ()


def booked(service: Service, booking: Booking, make: Callable[[], T], done: Callable[[T], Done]) -> T:
    """What `make` returns. It is on the books before it begins, and all of it in store and books before this returns.

    Args:
        service: on whose books.
        booking: what is asked.
        make: makes it.
        done: puts its files into the store, and says what goes into the books.

    Raises:
        LimitError: more than the key may have of a day. BooksError: the database is down. What `make` raises.
    """
    began = time.time()
    accepted = Accepted(
        booking.id, booking.key.id, booking.served.name, booking.kind, prompt=booking.prompt,
        settings=booking.settings, count=booking.count,
    )  # fmt: skip
    with service.tracing.span("books"):
        service.books.accept(accepted)
    try:
        _within_the_day(service, booking.key)
        made = make()
        with service.tracing.span("store"):
            kept = done(made)
        _finish(service, booking, kept, began)
    except BaseException as error:
        _ended(service, booking, error, began)
        raise
    return made


def _within_the_day(service: Service, key: Key) -> None:
    """Refuse what is beyond a key's pictures of a day; the request itself counts already. Raises LimitError."""
    most = key.limits.pictures_per_day
    if most is None:
        return
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if service.books.pictures(key.id, midnight) > most:
        left = (midnight + timedelta(days=1) - datetime.now(UTC)).total_seconds()
        raise LimitError(f"more than {most} pictures a day with this key", left)


def _finish(service: Service, booking: Booking, done: Done, began: float) -> None:
    """Everything into the books, and what others count."""
    name, outputs = booking.served.name, done.outputs
    outcome: Ending = "done" if outputs else "held" if done.waits else "refused"
    charge = booking.served.meter.charge(done.spent, len(outputs))
    with service.tracing.span("books"):
        service.books.finish(booking.id, outcome, outputs, done.decisions, done.spent, charge)
    service.pace.finished()
    service.tracing.spent(began, done.spent)
    decisions = [*done.decisions, *(decision for made in outputs for decision in made.decisions)]
    service.metrics.ended(
        outcome, name, booking.kind, time.time() - began, spent=done.spent, charge=charge, pictures=len(outputs),
        decisions=decisions,
    )  # fmt: skip
    service.watch.ended(name, outcome == "refused", done.pictures)


def _ended(service: Service, booking: Booking, error: BaseException, began: float) -> None:
    """Write down how it ended with nothing; where even that fails, the next start finds it lost."""
    outcome: Ending = "failed"
    decisions: tuple[Decision, ...] = ()
    if isinstance(error, GoneError):
        outcome = "cancelled"
    elif isinstance(error, RefusedError) and not isinstance(error, CheckerError):
        outcome, decisions = "refused", error.decisions
    try:
        service.books.finish(booking.id, outcome, decisions=decisions)
    except Exception as failed:
        log.warning("a request could not be closed in the books: %s", type(failed).__name__)
    service.metrics.ended(
        outcome, booking.served.name, booking.kind, time.time() - began, decisions=decisions
    )
    if outcome == "refused":
        service.watch.ended(booking.served.name, True)
