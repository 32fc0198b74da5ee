"""What is asked of rows: values that are given to the network, and conditions that are met by rejection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ornstein.codec.table import ColumnCodec, TableCodec, scores
from ornstein.data.table import known_column
from ornstein.data.where import Condition
from ornstein.errors import UsageError, nearest
from ornstein.process.masked import MASK
from ornstein.rng import stream

POOL = 20_000  # draws of one column that say how likely a condition is


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

    def settled(self, values: dict[str, np.ndarray], seeds: Sequence[int]) -> dict[str, np.ndarray]:
        """Rows whose rare values meet the conditions where some can.

        Which value of a bucket it is depends on nothing else in a row: so it may be drawn among those that meet them.
        """
        for name in self.pools:
            rest = self.by_name[name].rest
            mine = [condition for condition in self.conditions if condition.column == name]
            rare = np.array([value for value, _ in rest], object)
            fit = [all(condition.holds(rare[k : k + 1])[0] for condition in mine) for k in range(len(rare))]
            if not any(fit):
                continue
            shares = np.cumsum([count * met for (_, count), met in zip(rest, fit, strict=True)])
            for row in np.flatnonzero(np.isin(values[name].astype(str), rare.astype(str))):
                pick = stream(f"settled/{name}", seeds[int(row)]).random() * shares[-1]
                values[name][row] = rare[int(np.searchsorted(shares, pick, "right"))]
        return values

    def given(
        self, slots: Sequence[int], seeds: Sequence[int], known: Mapping[str, np.ndarray] | None
    ) -> dict[str, Tensor] | None:
        """What rows are given, as ``TableModel.trajectory`` takes it.

        Args:
            slots: numbers of the rows.
            seeds: theirs.
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
                self._put(name, numbers, kinds, numbers[:, 0], torch.from_numpy(column.kind(list(values))))

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
