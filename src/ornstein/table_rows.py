"""Rows on their way into a table: what is asked of them, which of them pass, how they are formed, and their record."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from ornstein.codec.table import ColumnCodec, TableCodec, scores
from ornstein.config import Config
from ornstein.data.table import known_column, pandas
from ornstein.data.where import Condition
from ornstein.errors import OrnsteinError, UsageError, nearest
from ornstein.process.masked import MASK
from ornstein.record import ModelName, Platform
from ornstein.rng import stream

if TYPE_CHECKING:
    import pandas as pd

    from ornstein.tables import TableModel

POOL = 20_000  # draws of one column that say how likely a condition is


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


class Wanted:
    """What is asked of rows.

    A value that is named is given to the network. So is a value of a single column under a condition, drawn from the
    column's own law under that condition: the rest of the row then follows it. Other conditions are met by rejection.

    Args:
        codec: of the table. conditions: all of which hold. balanced: a column. seed: of the request.

    Raises:
        UsageError: a condition that no row can meet, or a column that cannot be balanced.
    """

    def __init__(
        self, codec: TableCodec, conditions: Sequence[Condition], balanced: str | None, seed: int
    ) -> None:
        self.codec, self.conditions = codec, list(conditions)
        self.by_name = {column.name: column for column in codec.columns}
        self.balanced = None if balanced is None else self._balanced(balanced)
        self.pools = {c: self._pool(c, seed) for c in dict.fromkeys(c.column for c in self.conditions)}
        free = len(self.pools) == 1 and balanced is None
        self.fixed = [
            name for name in self.pools
            if free or all(c.equality for c in self.conditions if c.column == name)
        ]  # fmt: skip

    @property
    def filtered(self) -> bool:
        """Whether rows are rejected for conditions that are not given."""
        return len(self.fixed) < len(self.pools)

    def holds(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """(n,) bool of rows: whether all conditions do."""
        met = np.ones(len(next(iter(values.values()))), bool)
        for condition in self.conditions:
            met &= self._holds(condition, values[condition.column])
        return met

    def given(
        self, slots: Sequence[int], seeds: Sequence[int], known: Mapping[str, np.ndarray] | None
    ) -> dict[str, Tensor] | None:
        """What rows are given, as ``TableModel.trajectory`` takes it.

        Args:
            slots: numbers of the rows. seeds: theirs.
            known: rows that met the conditions; what they say in conditioned columns is given, too.
        """
        if not self.conditions and self.balanced is None:
            return None
        numbers = torch.full((len(slots), len(self.codec.numbers)), torch.nan, dtype=torch.float64)
        kinds = torch.full((len(slots), len(self.codec.kinds)), MASK)
        picks = np.array([stream("where", seed).random() for seed in seeds])
        if known is not None:
            self._from_known(numbers, kinds, picks, seeds, known)
        for name in self.fixed:
            pool_scores, pool_kinds = self.pools[name]
            pick = torch.from_numpy((picks * len(pool_kinds)).astype(np.int64))
            self._put(name, numbers, kinds, pool_scores[pick], pool_kinds[pick])
        if self.balanced is not None:
            name, choices = self.balanced
            chosen = torch.tensor([choices[slot % len(choices)] for slot in slots])
            self._put(name, numbers, kinds, numbers.new_zeros(len(slots)), chosen)
        return {"numbers": numbers, "kinds": kinds}

    def _put(self, name: str, numbers: Tensor, kinds: Tensor, score: Tensor, kind: Tensor) -> None:
        column = self.by_name[name]
        if column.numeric:
            numbers[:, self.codec.numbers.index(column)] = score
        if column.categories:
            kinds[:, self.codec.kinds.index(column)] = kind

    def _from_known(
        self,
        numbers: Tensor,
        kinds: Tensor,
        picks: np.ndarray,
        seeds: Sequence[int],
        known: Mapping[str, np.ndarray],
    ) -> None:
        rows = (picks * len(next(iter(known.values())))).astype(np.int64)
        for name in self.pools:
            column, values = self.by_name[name], known[name][rows]
            if column.numeric:
                exact = np.array([np.nan if v is None else float(v) for v in values])
                low, high = column.intervals(exact)
                uniform = np.array([stream("given", seed).random() for seed in seeds])
                self._put(
                    name,
                    numbers,
                    kinds,
                    scores(low, high, uniform).double(),
                    torch.from_numpy(column.number_kind(exact)),
                )
            else:
                self._put(name, numbers, kinds, numbers[:, 0], torch.from_numpy(column.kind(values)))

    def _holds(self, condition: Condition, values: np.ndarray) -> np.ndarray:
        column = self.by_name[condition.column]
        if column.of_numbers:
            values = np.array([np.nan if v is None else float(v) for v in values])
        return condition.holds(values, column.form if column.type == "date" else "")

    def _pool(self, name: str, seed: int) -> tuple[Tensor, Tensor]:
        """Scores and categories of one column under its conditions, by its own law.

        Raises:
            UsageError: there are none.
        """
        column = self.by_name[name]
        mine = [condition for condition in self.conditions if condition.column == name]
        if not column.learned or column.type == "hash":
            raise UsageError(f"--where {mine[0]}: {name!r} is {column.type}, nothing that can be asked for")
        random = stream("pool", seed)
        z, kinds = self._draws(column, random)
        for condition in mine:  # a value that is named is there, however rare it is
            if condition.equality:
                z, kinds = self._named(column, condition, random)
        values = column.decode(z, kinds if column.categories else None, range(len(kinds)))
        met = np.ones(len(values), bool)
        for condition in mine:
            met &= self._holds(condition, values)
        if not met.any():
            raise UsageError(
                f"--where {' and '.join(map(str, mine))} cannot be met: {_extent(column, mine[0])}"
            )
        return torch.from_numpy(z[met]), torch.from_numpy(kinds[met])

    @staticmethod
    def _draws(column: ColumnCodec, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        shares = np.array(column.shares or (1.0,))
        kinds = random.choice(len(shares), POOL, p=shares / shares.sum())
        return random.standard_normal(POOL), kinds.astype(np.int64)

    @staticmethod
    def _named(
        column: ColumnCodec, condition: Condition, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        if not column.of_numbers:
            texts = {str(value): value for value in (*column.kinds, *(value for value, _ in column.rest))}
            kinds = column.kind([texts.get(condition.values[0])] * 64)
            return np.zeros(64), kinds.clip(0)
        value = condition.number(condition.values[0], column.form if column.type == "date" else "")
        exact = np.full(64, value)
        if not column.numeric:
            return np.zeros(64), column.kind(list(exact)).clip(0)
        low, high = column.intervals(exact)
        return scores(low, high, random.random(64)).double().numpy(), column.number_kind(exact)

    def _balanced(self, name: str) -> tuple[str, list[int]]:
        column = self.by_name[known_column(name, list(self.by_name))]
        if column.numeric or not column.categories:
            raise UsageError(f"--balance {name}: only a column of few values can be balanced")
        if any(condition.column == name for condition in self.conditions):
            raise UsageError(f"--balance {name} and a condition on the same column contradict each other")
        return name, [k for k, value in enumerate(column.kinds) if value is not None]


def _extent(column: ColumnCodec, condition: Condition) -> str:
    """What values a column has, for people."""
    known = [value for value in (*column.kinds, *(value for value, _ in column.rest)) if value is not None]
    if column.numeric or column.of_numbers:
        ends = [*column.values[:1], *column.values[-1:], *(float(v) for v in known)]
        low, high = min(ends), max(ends)
        if column.type == "date":
            return f"{column.name} lies in {_day(low, column.form)} to {_day(high, column.form)}"
        return f"{column.name} lies in {low:g} to {high:g}"
    names = [str(value) for value in known]
    return f"{column.name} has no {condition.values[0]!r}{nearest(condition.values[0], names)}"


def _day(value: float, form: str) -> str:
    unit = "D" if form.startswith("days") else "s"
    return str(np.datetime64(0, unit) + np.timedelta64(round(value), unit))


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


def row_hashes(codec: TableCodec, values: Mapping[str, np.ndarray], salt: str) -> list[str]:
    """A keyed sha256 of each row as a person would tell it: numbers to three significant digits, keys left out.

    Args:
        codec: names the columns. values: by column, object or float64. salt: hexadecimal.
    """
    told: list[list[str]] = []
    for column in codec.columns:
        if column.type not in ("key", "constant"):
            told.append([_told(column, value) for value in values[column.name]])
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
