"""Conditions on rows, as people write them: ``age>60``, ``sex=F``, ``city=Rome|Oslo``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from ornstein.data.table import known_column
from ornstein.errors import UsageError

OPERATORS = (">=", "<=", "!=", "==", "=", ">", "<")


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        column: name. operator: of ``OPERATORS``, "==" spelled "=". values: of the right side, several for a set.
    """

    column: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.column}{self.operator}{'|'.join(self.values)}"

    @property
    def equality(self) -> bool:
        """Whether it names the one value."""
        return self.operator == "=" and len(self.values) == 1

    def holds(self, values: np.ndarray, form: str = "") -> np.ndarray:
        """(n,) bool of values (n,), float64 or object with None; missing values meet no condition but ``!=``.

        Args:
            values: of the column.
            form: of dates, as ``data.columns`` says it; else "".

        Raises:
            UsageError: a number or date is expected and none is given.
        """
        if values.dtype != np.float64:
            if self.operator not in ("=", "!="):
                raise UsageError(f"--where {self}: {self.column!r} has categories; ask with = or !=")
            met = np.array([value is not None and str(value) in self.values for value in values], bool)
            return met if self.operator == "=" else ~met
        bounds = [self.number(text, form) for text in self.values]
        if self.operator in ("=", "!="):
            met = np.isin(values, bounds)
            return met if self.operator == "=" else ~met
        if len(bounds) > 1:
            raise UsageError(f"--where {self}: {self.operator} takes one value")
        compare = {">": np.greater, "<": np.less, ">=": np.greater_equal, "<=": np.less_equal}[self.operator]
        return compare(values, bounds[0]) & ~np.isnan(values)

    def number(self, text: str, form: str) -> float:
        """The number, or the date's, that a side says. Raises UsageError."""
        try:
            if not form:
                return float(text)
            day = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
            return day / 86400 if form.startswith("days") else day
        except ValueError:
            kind = "a date such as 2026-08-31" if form else "a number"
            raise UsageError(f"--where {self}: {text!r} is not {kind}") from None


def read_conditions(texts: Sequence[str], names: Sequence[str]) -> list[Condition]:
    """Conditions as people write them.

    Raises:
        UsageError: no operator, no value, or an unknown column (the nearest is named).
    """
    return [_read(text, list(names)) for text in texts]


def _read(text: str, names: list[str]) -> Condition:
    found = re.match(r"^\s*(.+?)\s*(>=|<=|!=|==|=|>|<)\s*(.*?)\s*$", text)
    if found is None or not found[3]:
        raise UsageError(f"--where {text!r} is no condition: write COLUMN=VALUE, or with >, <, >=, <=, !=")
    column = known_column(found[1], names)
    operator = "=" if found[2] == "==" else found[2]
    return Condition(column, operator, tuple(part.strip() for part in found[3].split("|")))
