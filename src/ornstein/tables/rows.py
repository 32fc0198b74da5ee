"""Rows on their way into a table: which of them pass, how they are formed, and the record of how they were made."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ornstein.codec.table import ColumnCodec, TableCodec
from ornstein.config import Config
from ornstein.data.table import pandas
from ornstein.errors import OrnsteinError
from ornstein.record import ModelName, Platform

if TYPE_CHECKING:
    import pandas as pd

    from ornstein.tables.model import TableModel
    from ornstein.tables.wanted import Wanted


@dataclass(frozen=True)
class TableOutput:
    """Generated rows, and what makes them again."""

    frame: pd.DataFrame
    record: TableRecord


class TableRecord(Config):
    """What made a table; it stands beside the file.

    Attributes:
        rows, seed, where, balanced, steps, copies: as asked.
        drawn: rows that were drawn. rejected: of those, for a condition. blocked: for copying a rare training row.
            repeated: for being equal to another generated row.
    """

    version: Literal[1] = 1
    model: ModelName
    platform: Platform
    rows: int
    seed: int
    where: tuple[str, ...]
    balanced: str | None
    steps: int
    copies: bool
    drawn: int
    rejected: int
    blocked: int
    repeated: int

    @classmethod
    def of(
        cls, model: TableModel, seed: int, where: Sequence[str], balanced: str | None, steps: int | None,
        copies: bool, made: Rows,
    ) -> TableRecord:  # fmt: skip
        """Of rows that are made now."""
        return cls(
            model=ModelName(name=model.recipe.name, fingerprint=model.bundle and model.bundle.fingerprint),
            platform=Platform.here(model.device), rows=made.count, seed=seed, where=tuple(where), balanced=balanced,
            steps=steps or model.recipe.sampling.steps, copies=copies,
            drawn=made.drawn, rejected=made.rejected, blocked=made.blocked, repeated=made.repeated,
        )  # fmt: skip


class Rows:
    """Rows that were asked for, as far as they are made.

    Args:
        codec: of the table. count: of rows. wanted: of each. rare: hashes of training rows that must not come up.
        salt: of hashes.
    """

    def __init__(
        self, codec: TableCodec, count: int, wanted: Wanted, rare: frozenset[str], salt: str
    ) -> None:
        self.codec, self.wanted, self.rare, self.salt = codec, wanted, rare, salt
        self.unique = False
        self.done: dict[int, dict[str, Any]] = {}
        self.pending = list(range(count))
        self.count, self.drawn, self.rejected, self.blocked, self.repeated = count, 0, 0, 0, 0
        self._seen: set[str] = set()

    def chunks(self, size: int, several: bool) -> Iterator[list[int]]:
        """The rows that are still to be made, in portions; a small portion `several` times over."""
        pending = self.pending
        for start in range(0, len(pending), size):
            portion = pending[start : start + size]
            yield portion * (size // len(portion)) if several else portion

    def take(self, slots: Sequence[int], values: Mapping[str, np.ndarray]) -> None:
        """Look at drawn rows: those that pass fill their slots."""
        met = self.wanted.holds(values)
        hashes = row_hashes(self.codec, values, self.salt)
        self.drawn += len(slots)
        for row, slot in enumerate(slots):
            if slot in self.done:
                continue
            if not met[row]:
                self.rejected += 1
            elif hashes[row] in self.rare:
                self.blocked += 1
            elif self.unique and hashes[row] in self._seen:
                self.repeated += 1
            else:
                self._seen.add(hashes[row])
                self.done[slot] = {name: column[row] for name, column in values.items()}
        self.pending = [slot for slot in self.pending if slot not in self.done]

    def values(self) -> dict[str, np.ndarray]:
        """What is made so far, in the order of slots: columns by name, object."""
        names = [column.name for column in self.codec.columns if column.type != "key"]
        result: dict[str, np.ndarray] = {}
        for name in names:
            result[name] = np.empty(len(self.done), object)
            result[name][:] = [self.done[slot][name] for slot in sorted(self.done)]
        return result

    def complete(self) -> None:
        """Raise OrnsteinError where rows are wanting, with the reason."""
        if not self.pending:
            return
        found = f"only {len(self.done):,} of {self.count:,} rows"
        if self.rejected > self.blocked + self.repeated:
            asked = " and ".join(str(condition) for condition in self.wanted.conditions)
            raise OrnsteinError(f"{found} meet {asked} after {self.drawn:,} draws: ask for less at once")
        raise OrnsteinError(
            f"{found} are no copies of rare training rows or of each other: this table has few different rows; let "
            "copies pass with --allow-copies"
        )


def row_seed(seed: int, attempt: int, row: int) -> int:
    """The seed of one row's noise: three numbers side by side."""
    return (((seed << 16) + attempt) << 40) + row


def row_hashes(codec: TableCodec, values: Mapping[str, np.ndarray], salt: str) -> list[str]:
    """A keyed sha256 of each row as a person would tell it: numbers to three significant digits, keys left out.

    Args:
        codec: names the columns.
        values: by column, object or float64.
        salt: hexadecimal.
    """
    told = [
        [_told(column, value) for value in values[column.name]]
        for column in codec.columns
        if column.type not in ("key", "constant")
    ]
    key = bytes.fromhex(salt)
    return [
        hmac.new(key, json.dumps(row, ensure_ascii=False).encode(), hashlib.sha256).hexdigest()
        for row in zip(*told, strict=True)
    ]


def _told(column: ColumnCodec, value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if column.type == "date":
        return f"{float(value):.0f}"
    return f"{float(value):.3g}" if column.of_numbers else str(value)


def formed(codec: TableCodec, values: Mapping[str, np.ndarray], count: int, seed: int) -> pd.DataFrame:
    """A data frame of decoded columns: numbers as numbers, dates as they were written, keys made anew."""
    pd = pandas()
    columns: dict[str, Any] = {}
    for column in codec.columns:
        name = column.name
        if column.type == "key":
            start = column.values[0] if column.values else None
            numbers = range(count) if start is None else range(int(start), int(start) + count)
            columns[name] = [f"made-{seed}-{k:07d}" if start is None else k for k in numbers]
            continue
        given = values[name]
        gaps = any(value is None for value in given)
        if column.type == "date":
            columns[name] = _dates(
                pd.Series([np.nan if v is None else float(v) for v in given]), column.form, pd
            )
        elif column.of_numbers:
            whole = column.digits == 0
            kind = ("Int64" if gaps else "int64") if whole else "float64"
            columns[name] = pd.Series([None if v is None else int(v) if whole else v for v in given]).astype(
                kind
            )
        elif column.type == "boolean" and all(value is None or isinstance(value, bool) for value in given):
            columns[name] = pd.Series(list(given)).astype("boolean" if gaps else "bool")
        else:
            columns[name] = pd.Series(list(given), dtype=object)
    return pd.DataFrame(columns, index=range(count))


def _dates(numbers: Any, form: str, pd: Any) -> Any:
    unit, _, written = form.partition(" ")
    stamps = pd.Timestamp(0) + pd.to_timedelta(numbers.round(), unit="D" if unit == "days" else "s")
    return stamps.dt.strftime(written).astype(object).where(stamps.notna(), None) if written else stamps
