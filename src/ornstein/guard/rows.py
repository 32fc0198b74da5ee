"""A model of a table behind a policy: copies of rare rows are held back, and what goes out is signed and on record."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ornstein.drawing import NOTHING, Spent
from ornstein.errors import UsageError
from ornstein.guard.decision import Decision, told
from ornstein.guard.fields import FieldsGuard
from ornstein.guard.policy import Policy
from ornstein.guard.publish import File
from ornstein.guard.records.entry import Event, Said
from ornstein.request import MAX_SEED, Progress
from ornstein.tables import TableModel
from ornstein.tables.rows import TableRecord

if TYPE_CHECKING:
    import pandas as pd

COPIED = "rows that copied a rare training row were drawn again"
LET_THROUGH = "copies of training rows were let pass, as was asked for"
Form = Literal["csv", "tsv", "parquet"]


@dataclass(frozen=True)
class RowsAnswer:
    """Rows that may go out.

    Attributes:
        id: of the call, as records name it. frame: the table. seed, steps: of the draws.
        record: what makes them again; None of a table whose gaps were filled.
        decisions: what was decided, to be disclosed. spent: what it took.
    """

    id: str
    frame: pd.DataFrame
    seed: int
    steps: int
    record: TableRecord | None
    decisions: tuple[Decision, ...]
    spent: Spent = NOTHING

    @property
    def told(self) -> tuple[str, ...]:
        """What the one who asked is to be told."""
        return told(self.decisions)


class GuardedRows(FieldsGuard):
    """A model of a table, as ``Guarded``: there is no prompt to ask about, and no row of it is a picture to look at."""

    makes = "rows"

    def __init__(self, model: TableModel, policy: Policy | None = None) -> None:
        super().__init__(model, policy)
        self.model = model
        sampling = model.recipe.sampling
        self._sampler = f"{sampling.numbers}+{sampling.kinds}"

    def warm(self) -> Spent:
        """Make a row that nobody sees: what is loaded at first use is loaded."""
        return self.make(1, 0, steps=1, quiet=True).spent

    def make(
        self,
        rows: int,
        seed: int,
        *,
        where: Sequence[str] = (),
        balanced: str | None = None,
        steps: int | None = None,
        copies: bool = False,
        progress: Progress = lambda done, of: None,
        quiet: bool = False,
    ) -> RowsAnswer:
        """Rows, as ``TableModel.generate`` makes them.

        Args:
            rows: how many.
            seed: of all of them.
            where: conditions that every row meets.
            balanced: a column whose values are to be equally frequent.
            steps: of the sampler.
            progress: told (rows done, rows in all).
            copies: let copies pass, as they do where the policy does not hold them back.
            quiet: nothing is put on record, because nobody gets to see it.

        Raises:
            UsageError, OrnsteinError: as there.
        """
        call, began = uuid.uuid4().hex, time.perf_counter()
        if not 0 <= seed <= MAX_SEED:
            raise UsageError(f"a seed lies in 0 to {MAX_SEED}, not {seed}")
        if not quiet:
            self.write_down([self._event("request", call, seed, steps, rows)])
        made = self.model.generate(
            rows,
            seed,
            where=where,
            balanced=balanced,
            steps=steps,
            copies=copies or not self._held,
            progress=progress,
        )
        record, decisions = made.record, ()
        if record.blocked:
            changed = f"{record.blocked:,} of {record.drawn:,}"
            decisions = (
                Decision(stage="output", action="transform", rule="copies", reason=COPIED, changed=changed),
            )
        elif copies:
            decisions = (Decision(stage="output", action="allow", rule="copies", reason=LET_THROUGH),)
        return self._answer(call, made.frame, seed, record.steps, record, decisions, began, record.drawn)

    def impute(
        self,
        frame: pd.DataFrame,
        seed: int,
        steps: int | None = None,
        progress: Progress = lambda done, of: None,
    ) -> RowsAnswer:
        """A table with its gaps filled, as ``TableModel.impute``. Raises as ``make``."""
        call, began = uuid.uuid4().hex, time.perf_counter()
        self.write_down([self._event("request", call, seed, steps, len(frame))])
        filled = self.model.impute(frame, seed, steps, progress)
        taken = steps or self.model.recipe.sampling.steps
        return self._answer(call, filled, seed, taken, None, (), began, len(frame))

    def file(self, answer: RowsAnswer, form: Form = "csv") -> File:
        """The table's file with its credential beside it. Raises OrnsteinError."""
        event = self._event("outcome", answer.id, answer.seed, answer.steps, len(answer.frame))
        told = {"decisions": answer.decisions, "seconds": answer.spent.computed}
        claim = self.claim(answer.seed, self._sampler, answer.steps, answer.spent.evaluations)
        return self.publish(encoded(answer.frame, form), claim, event.model_copy(update=told))

    @property
    def _held(self) -> bool:
        """Whether the policy holds copies back."""
        copies = self.policy.output.copies
        return copies is not None and copies.action != "allow"

    def _answer(
        self, call: str, frame: pd.DataFrame, seed: int, steps: int, record: TableRecord | None,
        decisions: tuple[Decision, ...], began: float, drawn: int,
    ) -> RowsAnswer:  # fmt: skip
        spent = Spent(evaluations=steps * drawn, computed=time.perf_counter() - began)
        return RowsAnswer(call, frame, seed, steps, record, decisions, spent)

    def _event(self, kind: Said, call: str, seed: int, steps: int | None, rows: int) -> Event:
        return self.event(kind, call, seed, self._sampler, steps or self.model.recipe.sampling.steps, rows)


def encoded(frame: pd.DataFrame, form: Form) -> bytes:
    """A table as the bytes of a file; missing values are empty cells."""
    if form == "parquet":
        file = io.BytesIO()
        frame.to_parquet(file, index=False)
        return file.getvalue()
    return frame.to_csv(index=False, sep="\t" if form == "tsv" else ",", lineterminator="\n").encode()
