"""What every rival is spared: missing cells, decimals and types, handled alike for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ornstein.evaluate.tables.columns import Column, texts

ABSENT = " missing"  # category of a cell without a value, and end of the name of a column that says so
MANY = 6  # decimals


@dataclass(frozen=True)
class Complete:
    """A table without gaps: floats and texts, and a column more for every number column that has gaps.

    Attributes:
        frame: the table. numbers, kinds: names of its columns.
    """

    frame: pd.DataFrame
    numbers: list[str]
    kinds: list[str]


def complete(train: pd.DataFrame, columns: Sequence[Column]) -> Complete:
    """Fill gaps: of a number by the median, told in a category column; of a category by one category more."""
    numbers = [c.name for c in columns if c.kind == "number"]
    kinds = [c.name for c in columns if c.kind == "category"]
    frame = pd.DataFrame({name: train[name].astype(float).fillna(train[name].median()) for name in numbers})
    for name in kinds:
        frame[name] = texts(train[name]).fillna(ABSENT).astype(object)
    for name in numbers:
        if train[name].isna().any():
            frame[name + ABSENT] = train[name].isna().map({True: "yes", False: "no"}).astype(object)
            kinds = [*kinds, name + ABSENT]
    return Complete(frame, numbers, kinds)


def restore(made: pd.DataFrame, train: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Generated rows as the training rows were: gaps, decimals, order of columns."""
    found: dict[str, pd.Series] = {}
    for column in columns:
        values = made[column.name]
        if column.kind == "number":
            values = values.astype(float)
            decimals = _decimals(train[column.name].dropna())
            values = values if decimals is None else values.round(decimals)
            if column.name + ABSENT in made:
                values = values.where(made[column.name + ABSENT] != "yes", np.nan)
        else:
            values = values.astype(object).where(values != ABSENT, None)
        found[column.name] = values
    return pd.DataFrame(found).reset_index(drop=True)


def _decimals(values: pd.Series) -> int | None:
    """How many decimals the values have; None for `MANY` or more."""
    return next((k for k in range(MANY) if np.allclose(values.round(k), values, rtol=1e-6, atol=0)), None)
