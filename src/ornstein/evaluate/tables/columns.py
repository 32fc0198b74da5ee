"""A table as numbers: what its columns are, and its cells as floats and category codes to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from ornstein.errors import UsageError, nearest

Kind = Literal["number", "category"]
DIGITS = 6  # of a number: finer differences come from files and float32, and would hide a copy
MANY = 100  # most frequent values of a category that are told apart
WIDE = 500  # columns that can be compared pair by pair
FEW = 10  # different whole numbers that still read as categories


@dataclass(frozen=True)
class Column:
    """A column by name; what it holds decides how it is compared. Dates are numbers: seconds."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Coded:
    """The cells of a table.

    Attributes:
        numbers: (rows, number columns) float64, rounded to six digits; missing is NaN.
        kinds: (rows, category columns) int64: 0 to K-1 as in the training rows, K for any value that
            is rare there or new, K+1 for missing.
    """

    numbers: np.ndarray
    kinds: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: np.ndarray) -> Coded:
        return Coded(self.numbers[rows], self.kinds[rows])


def describe(frame: pd.DataFrame, kinds: Mapping[str, Kind] | None = None) -> tuple[Column, ...]:
    """What the columns of a table are: as told by name, else dates and numbers are numbers, save a `FEW` whole ones.

    Raises:
        UsageError: two columns of one name, no columns, an unknown name or kind.
    """
    told = kinds or {}
    if frame.shape[1] == 0:
        raise UsageError("the table has no columns")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise UsageError(f"two columns are called {twice!r}: give each a name of its own")
    for name, kind in told.items():
        if name not in frame.columns:
            raise UsageError(f"there is no column {name!r}{nearest(name, map(str, frame.columns))}")
        if kind not in get_args(Kind):
            raise UsageError(f"column {name!r} cannot be a {kind!r}{nearest(kind, get_args(Kind))}")
    return tuple(Column(name, told.get(name) or _kind(frame[name])) for name in frame.columns)


def _kind(values: pd.Series) -> Kind:
    if pd.api.types.is_datetime64_any_dtype(values):
        return "number"
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return "category"
    held = values.dropna()
    whole = bool((held == held.round()).all())
    return "category" if whole and held.nunique() <= FEW else "number"


class Reading:
    """Reads tables alike: the training rows decide which categories there are.

    Args:
        columns: to read, in this order; others are left out.
        train: rows that a model learned from.

    Raises:
        UsageError: a column that the rows lack, too many, or cells that are no numbers in a column of numbers.
    """

    def __init__(self, columns: Sequence[Column], train: pd.DataFrame) -> None:
        self.columns = tuple(columns)
        self.numbers = [column.name for column in columns if column.kind == "number"]
        self.kinds = [column.name for column in columns if column.kind == "category"]
        _require(train, [*self.numbers, *self.kinds])
        if len(self.columns) > WIDE:
            raise UsageError(
                f"{len(self.columns):,} columns are more than can be compared: choose {WIDE} at most"
            )
        self.vocabulary = {name: _common(texts(train[name])) for name in self.kinds}

    def __call__(self, frame: pd.DataFrame) -> Coded:
        """The cells of a table with these columns."""
        _require(frame, [*self.numbers, *self.kinds])
        return Coded(
            np.stack([_numbers(frame[name]) for name in self.numbers], 1)
            if self.numbers else np.empty((len(frame), 0)),
            np.stack([self._codes(name, frame[name]) for name in self.kinds], 1)
            if self.kinds else np.empty((len(frame), 0), np.int64),
        )  # fmt: skip

    def sizes(self) -> list[int]:
        """How many codes each category column has: its values, any other, missing."""
        return [len(self.vocabulary[name]) + 2 for name in self.kinds]

    def _codes(self, name: str, values: pd.Series) -> np.ndarray:
        known = self.vocabulary[name]
        written = texts(values)
        codes = pd.Index(known, dtype=object).get_indexer(written.to_numpy(object))
        codes[codes < 0] = len(known)
        codes[written.isna().to_numpy()] = len(known) + 1
        return codes.astype(np.int64)


def _common(values: pd.Series) -> list[str]:
    counts = values.value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable")
    return sorted(counts.index[:MANY])


def texts(values: pd.Series) -> pd.Series:
    """Cells as texts, whatever type a file gave them: 1, 1.0 and "1" are one category; missing stays missing."""

    def text(value: object) -> str:
        if isinstance(value, (bool, np.bool_)):
            return str(bool(value))
        return f"{value:.12g}" if isinstance(value, (int, float, np.number)) else str(value)

    missing = values.isna()
    return values.astype(object).where(missing, values.astype(object).map(text)).where(~missing, None)


def _numbers(values: pd.Series) -> np.ndarray:
    if pd.api.types.is_datetime64_any_dtype(values):
        seconds = (values - pd.Timestamp(0, tz=values.dt.tz)) / pd.Timedelta(seconds=1)
        return seconds.to_numpy(np.float64, na_value=np.nan)
    read = pd.to_numeric(values, errors="coerce")
    wrong = read.isna() & values.notna()
    if wrong.any():
        raise UsageError(
            f"column {values.name!r} holds {str(values[wrong].iloc[0])!r}, which is no number: call it a category"
        )
    found = read.to_numpy(np.float64, na_value=np.nan)
    if np.isinf(found).any():
        raise UsageError(f"column {values.name!r} holds an infinite number: leave such cells empty")
    return _rounded(found)


def _rounded(numbers: np.ndarray) -> np.ndarray:
    """To `DIGITS` significant digits; -0 becomes 0."""
    return np.char.mod(f"%.{DIGITS}g", numbers).astype(np.float64) + 0.0


def _require(frame: pd.DataFrame, names: Sequence[str]) -> None:
    if not frame.columns.is_unique:
        raise UsageError("two columns have one name: give each a name of its own")
    for name in names:
        if name not in frame.columns:
            raise UsageError(f"a table lacks the column {name!r}{nearest(name, map(str, frame.columns))}")
    if len(frame) == 0:
        raise UsageError("a table has no rows")
