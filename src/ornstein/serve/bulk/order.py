"""What is ordered: rows become pictures that are spelled out, in chunks of work that never change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ornstein.config import Config, parse
from ornstein.errors import UsageError
from ornstein.model import Model
from ornstein.recipes.imported import PromptsCondition
from ornstein.recipes.recipe import SamplingSection, TextCondition
from ornstein.record import FileForm
from ornstein.request import DRAWN_SEEDS, MAX_PICTURES, Request, requests
from ornstein.rng import stream
from ornstein.serve.bulk import table

CHUNK = 256  # pictures: enough to fill batches of like ones, few enough that finished lines are soon in the folder
FOLDER = 1000  # rows whose pictures share a folder
SUFFIXES = {"png": "png", "webp": "webp", "jpeg": "jpg"}
OURS = frozenset(
    {"file_name", "text", "row", "picture", "told", "why", "case", "sha256", "settings", "model", "policy",
     "credentials", "source"}
)  # fmt: skip
"""Names that lines of the results give a meaning of their own."""


class Row(Config):
    """One row of a file of prompts. What is left out is as the command says, and else as the model says.

    Attributes:
        prompt: what to draw. id: the row's name; its seed follows from it where none is given.
    """

    prompt: str
    id: Annotated[str, Field(coerce_numbers_to_str=True, max_length=200)] | None = None
    negative: str | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    size: int | None = None
    compose: bool | None = None
    rule: str | dict[str, Any] | None = None
    schedule: str | dict[str, Any] | None = None
    reuse: int | None = None


class Task(Config):
    """One picture to be made.

    Attributes:
        row: number of its row, from 1. picture: which one of the row's, from 1. id: of the row.
        file: where it goes, in the folder. request: all that it is made from. kept: the row's further columns.
    """

    row: int
    picture: int
    id: str | None
    file: str
    request: Request
    kept: dict[str, Any] = Field(default_factory=dict)

    @property
    def place(self) -> tuple[int, int]:
        """By which the results are in order."""
        return self.row, self.picture


class Order(Config):
    """What a file of prompts is made into.

    Attributes:
        n: pictures of each row. seed: from which those follow that rows do not give.
        settings: for rows that do not say. form: of the files.
        keep: whether further columns go into the results; they are refused otherwise.
    """

    n: Annotated[int, Field(ge=1, le=MAX_PICTURES)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    settings: dict[str, Any] = Field(default_factory=dict)
    form: FileForm = FileForm()
    keep: bool = False

    @property
    def rows_a_chunk(self) -> int:
        """How many rows are one chunk of work."""
        return max(1, CHUNK // self.n)

    def tasks(self, number: int, values: Mapping[str, Any], defaults: SamplingSection) -> list[Task]:
        """The pictures of one row, given with its number from 1 as a file has it. Raises UsageError."""
        own, kept = self._divided(values)
        row = parse(Row, own)
        settings = self.settings | row.model_dump(exclude={"prompt", "id", "seed"}, exclude_none=True)
        seed = self._seed(number, row.id) if row.seed is None else row.seed
        asked = requests(row.prompt, self.n, seed, settings.pop("negative", ""), defaults, **settings)
        return [
            Task(row=number, picture=k, id=row.id, file=self._file(number, k), request=request, kept=kept)
            for k, request in enumerate(asked, start=1)
        ]

    def _divided(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        if not self.keep:
            return dict(values), {}
        own = {name: value for name, value in values.items() if name in Row.model_fields}
        kept = {name: value for name, value in values.items() if name not in own}
        if taken := sorted(OURS & kept.keys()):
            raise UsageError(f"column {taken[0]!r} means something else in the results: rename it")
        return own, kept

    def _seed(self, number: int, name: str | None) -> int:
        if name is None:
            return int(stream("bulk row", self.seed, number).integers(DRAWN_SEEDS))
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        return int(stream("bulk id", self.seed, key).integers(DRAWN_SEEDS))

    def _file(self, number: int, picture: int) -> str:
        which = f"-{picture}" if self.n > 1 else ""
        return f"{number // FOLDER:05d}/{number:08d}{which}.{SUFFIXES[self.form.format]}"


class Job(Config):
    """An order bound to what carries it out: the same job makes the same pictures.

    Attributes:
        prompts: sha256 of the file. rows: how many it has. order: what they become.
        model: fingerprint of the bundle, or the name of a model without one. policy: its hash.
        sampling: sha256 of how the model samples where nobody says; its fingerprint does not tell.
    """

    version: Literal[1] = 1
    prompts: str
    rows: int
    order: Order
    model: str
    sampling: str
    policy: str

    @property
    def chunks(self) -> int:
        """How many chunks of work it is."""
        return -(-self.rows // self.order.rows_a_chunk)


@dataclass(frozen=True)
class Prompts:
    """A file of prompts for one model."""

    path: Path
    order: Order
    model: Model

    def survey(self) -> int:
        """Read every row once, so that a mistake in the last one is told before the first is drawn; how many there are.

        Raises:
            UsageError: with the row's number.
        """
        number = 0
        seen: set[Any] = set()
        for number, values in enumerate(table.read(self.path), start=1):
            with self._at(number):
                tasks = self.order.tasks(number, values, self.model.recipe.sampling)
                self._refuse(tasks[0].request, seen)
        if not number:
            raise UsageError(f"{self.path} has no rows")
        return number

    def chunks(self, first: int = 0) -> Iterator[tuple[int, list[Task]]]:
        """Yield the number of each chunk of work from `first` on, and its pictures in order."""
        size = self.order.rows_a_chunk
        rows = islice(enumerate(table.read(self.path), start=1), first * size, None)
        number = first
        while many := list(islice(rows, size)):
            yield number, [task for row, values in many for task in self._tasks(row, values)]
            number += 1

    def _tasks(self, number: int, values: Mapping[str, Any]) -> list[Task]:
        with self._at(number):
            return self.order.tasks(number, values, self.model.recipe.sampling)

    def _refuse(self, request: Request, seen: set[Any]) -> None:
        """Ask the model, once for each kind of request: reading text costs more than all else. A class is looked up."""
        kind = request.shape, bool(request.negative)
        free = isinstance(self.model.recipe.condition, TextCondition | PromptsCondition)
        if not free or request.compose or kind not in seen:
            self.model.check([request], [None])
            seen.add(kind)

    @contextmanager
    def _at(self, number: int) -> Iterator[None]:
        try:
            yield
        except UsageError as error:
            raise UsageError(f"{self.path} row {number}: {error}") from None
