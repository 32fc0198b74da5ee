"""What goes into the books and comes out of them, as plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ornstein.drawing import Spent
from ornstein.guard.decision import Decision

Kind = Literal["generation", "edit", "variation", "completion", "rows", "imputation"]
Ending = Literal["done", "refused", "held", "failed", "cancelled"]
"""Pictures went out; the policy refused; it waits for a person; something broke; nobody waits for it any more."""
Outcome = Literal["running", "done", "refused", "held", "failed", "cancelled", "lost"]
"""An ending; or it is being worked on; or the server stopped before it ended."""
Axis = Literal["day", "key", "model"]


def now() -> datetime:
    """The clock's reading, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Accepted:
    """A request before anything is made.

    Attributes:
        id: its name, unique. key: id of the key that asked. model: its name.
        prompt: in clear; the books keep it only where the policy does.
        prompt_hash: keyed hash that stands for it; left out, the books make it where they were given how.
        settings: JSON values; texts of the prompt among them are kept as the prompt is.
        count: of pictures asked for. created: with time zone.
    """

    id: str
    key: str
    model: str
    kind: Kind
    prompt: str | None = None
    prompt_hash: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1
    created: datetime = field(default_factory=now)


@dataclass(frozen=True)
class Made:
    """A picture, text or table that went out.

    Attributes:
        id: its name, unique. sha256: of its file, under which the store has it.
        format: png, webp or jpeg; txt; csv or parquet. width, height: in pixels; of a text its characters and 1, of a
            table its columns and rows. seed: of its noise.
        record: that makes it again, as JSON values; without the prompt where the policy keeps none in clear.
        decisions: about this picture alone.
    """

    id: str
    sha256: str
    format: str
    width: int
    height: int
    seed: int
    record: Mapping[str, Any] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True)
class Charge:
    """What a request cost: energy in joules, whether that was measured or estimated, and its price."""

    joules: float = 0.0
    measured: bool = False
    price: float = 0.0
    currency: str = "USD"


@dataclass(frozen=True)
class Entry:
    """A request as the books have it.

    Attributes:
        prompt: None where the policy keeps none in clear. decisions: about the request as a whole.
        outputs: in the order they were made. finished: None until it has ended.
    """

    id: str
    key: str
    model: str
    kind: Kind
    prompt: str | None
    settings: Mapping[str, Any]
    count: int
    created: datetime
    outcome: Outcome
    finished: datetime | None
    outputs: tuple[Made, ...]
    decisions: tuple[Decision, ...]
    spent: Spent
    charge: Charge

    def output(self, name: str) -> Made:
        """The output of this id. Raises KeyError: it is another request's."""
        for made in self.outputs:
            if made.id == name:
                return made
        raise KeyError(name)


@dataclass(frozen=True)
class CostLine:
    """Sums over requests that have ended.

    Attributes:
        day: ISO date in UTC; key: "" for what was erased; model. None where the report is not split by it.
        waited, computed, guarded: seconds. joules: measured and estimated together; measured: those that were.
        price: in `currency`; every currency has lines of its own.
    """

    day: str | None
    key: str | None
    model: str | None
    requests: int
    pictures: int
    evaluations: int
    waited: float
    computed: float
    guarded: float
    joules: float
    measured: float
    price: float
    currency: str


@dataclass(frozen=True)
class Erased:
    """How many requests, outputs, files of the store and replies went."""

    requests: int = 0
    outputs: int = 0
    files: int = 0
    replies: int = 0

    def __add__(self, other: Erased) -> Erased:
        return Erased(
            self.requests + other.requests, self.outputs + other.outputs,
            self.files + other.files, self.replies + other.replies,
        )  # fmt: skip
