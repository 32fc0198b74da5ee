"""What a table's columns are: numbers, categories, dates, keys; found in the values, and open to be told otherwise."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ornstein.data.table import known_column, pandas
from ornstein.errors import UsageError, nearest

if TYPE_CHECKING:
    import pandas as pd

ColumnType = Literal[
    "number", "integer", "date", "boolean", "category", "constant", "key", "hash", "text", "drop"
]
MOST_COLUMNS = 400
BUCKETS = 32  # of hashed text
FEW = 20  # distinct values that are always categories
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
CODE = r"[+-]?0\d+"  # a leading zero: a postcode, no number
DATES = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M", "%Y/%m/%d",
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M",
)  # fmt: skip
KEY_NAME = re.compile(
    r"(^|[_\W])(id|key|uuid|guid|index|rownames|row_?id|nr|no)$|^unnamed: 0$|^[a-z]+Id$", re.I
)


@dataclass(frozen=True)
class Column:
    """One column with its type.

    Attributes:
        name: of it. type: what it is taken for.
        values: (n,) float64, NaN where missing, of number, integer and date (days or seconds since 1970); else object,
            None where missing.
        digits: decimals that all numbers have at most; None for more than nine.
        form: of dates: how they are written ("" for a frame's own dates), after "days " or "seconds ".
        why: in a phrase, where the type is not plain.
    """

    name: str
    type: ColumnType
    values: np.ndarray
    digits: int | None = None
    form: str = ""
    why: str = ""

    @property
    def numeric(self) -> bool:
        """Whether values are float64."""
        return self.values.dtype == np.float64

    @property
    def missing(self) -> int:
        """How many values are missing."""
        return int(np.isnan(self.values).sum() if self.numeric else sum(v is None for v in self.values))


def columns(
    frame: pd.DataFrame, told: Mapping[str, str] | None = None, *, learnable: bool = True
) -> list[Column]:
    """Every column with its type, in order.

    Args:
        frame: a table, of text (``read_table``) or typed.
        told: types by name that overrule what is found.
        learnable: refuse a table of which nothing could be learned.

    Raises:
        UsageError: an unknown column or type, a value that cannot be of the type told, too many columns, or nothing
            in the table that could be learned.
    """
    names = [str(name) for name in frame.columns]
    if len(names) > MOST_COLUMNS:
        raise UsageError(
            f"{len(names):,} columns are more than {MOST_COLUMNS}: keep those that belong together"
        )
    for name, kind in (told or {}).items():
        known_column(name, names)
        if kind not in get_args(ColumnType):
            raise UsageError(f"unknown type {kind!r} of column {name!r}{nearest(kind, get_args(ColumnType))}")
    found = [
        _told(name, frame.iloc[:, k], told[name]) if told and name in told else _found(name, frame.iloc[:, k])
        for k, name in enumerate(names)
    ]
    if learnable and not any(
        column.type in ("number", "integer", "date", "boolean", "category", "hash") for column in found
    ):
        raise UsageError("no column of this table can be learned: all are constant, keys or free text")
    return found


def summary(found: list[Column]) -> str:
    """A table for people: name, type, distinct and missing values, and what is done with it."""
    does = {
        "constant": "put back as it is", "key": "made anew, never learned", "text": "dropped", "drop": "dropped",
        "hash": f"hashed into {BUCKETS} categories",
    }  # fmt: skip
    width = max(6, *(len(column.name) for column in found))
    lines = [f"{'column':<{width}}  {'type':<9} {'distinct':>8} {'missing':>8}"]
    for column in found:
        present = column.values[~np.isnan(column.values)] if column.numeric else column.values
        distinct = len(set(present.tolist()) - {None})
        remark = "; ".join(part for part in (does.get(column.type, ""), column.why) if part)
        lines.append(
            f"{column.name:<{width}}  {column.type:<9} {distinct:>8,} {column.missing:>8,}  {remark}".rstrip()
        )
    return "\n".join(lines)


def _plain(series: pd.Series) -> np.ndarray:
    """The values as Python objects, None where missing; text stripped."""
    gone = series.isna().to_numpy()
    values = np.array([None] * len(series), dtype=object)
    given = series.astype(object).to_numpy()
    values[:] = [
        None if g else v.strip() if isinstance(v, str) else v for v, g in zip(given, gone, strict=True)
    ]
    return values


def _found(name: str, series: pd.Series) -> Column:
    """A column by what its values look like."""
    types = pandas().api.types
    if types.is_datetime64_any_dtype(series.dtype):
        return _date(name, series, "")
    values = _plain(series)
    present = [value for value in values if value is not None]
    if not present:
        return Column(name, "constant", values, why="all missing")
    distinct = len({str(value) for value in present})
    if distinct == 1 and len(present) == len(values):
        return Column(name, "constant", values)
    if all(isinstance(v, bool | np.bool_) for v in present):
        return Column(name, "boolean", _mapped(values, bool))
    if {str(v).lower() for v in present} <= {"true", "false"} and distinct == 2:
        return Column(name, "boolean", values)
    if all(_is_number(value) for value in present):
        return _numeric(name, values)
    texts = _mapped(values, str)
    if (form := _date_form([str(v) for v in present])) is not None:
        return _date(name, pandas().Series(texts), form)
    return _textual(name, texts, [str(v) for v in present])


def _textual(name: str, values: np.ndarray, present: list[str]) -> Column:
    distinct, count = len(set(present)), len(present)
    if distinct <= FEW or distinct <= min(1000, count / 5):
        return Column(name, "category", values)
    if distinct == len(values) and max(map(len, present)) <= 40 and not any(" " in v for v in present):
        return Column(name, "key", values, why="every row has its own")
    numbers = sum(map(_is_number, present)) / count
    why = f"{distinct:,} different texts"
    if numbers > 0.5:
        why = f"numbers mixed with text: --column {name}=number takes the text for missing"
    return Column(name, "text", values, why=f"{why}, or --column {name}=hash" if numbers <= 0.5 else why)


def _numeric(name: str, values: np.ndarray) -> Column:
    numbers = np.array([np.nan if v is None else float(v) for v in values])
    infinite = np.isinf(numbers)
    numbers[infinite] = np.nan
    present = numbers[~np.isnan(numbers)]
    if len(present) == 0:
        return Column(name, "constant", np.full(len(values), None, object), why="all missing or infinite")
    whole = bool((present == np.round(present)).all()) and not any(
        "." in v for v in values if isinstance(v, str)
    )
    if whole and np.abs(present).max() < 2**53:
        unique = len(np.unique(present)) == len(values) >= FEW
        spread = np.ptp(present) + 1
        if unique and (KEY_NAME.search(name) or spread == len(values)):
            return Column(name, "key", numbers, 0, why="every row has its own")
        return Column(name, "integer", numbers, 0)
    digits = next((d for d in range(10) if (np.round(present, d) == present).all()), None)
    return Column(
        name, "number", numbers, digits, why="infinite ones count as missing" if infinite.any() else ""
    )


def _date(name: str, series: pd.Series, form: str) -> Column:
    pd = pandas()
    stamps = pd.to_datetime(series, format=form or None, errors="coerce", utc=True).dt.tz_localize(None)
    seconds = (stamps - pd.Timestamp(0)) / pd.Timedelta(seconds=1)
    values = seconds.to_numpy(dtype=float, na_value=np.nan)
    if np.isnan(values).all():
        return Column(name, "constant", np.full(len(values), None, object), why="all missing")
    days = bool((values[~np.isnan(values)] % 86400 == 0).all())
    return Column(
        name, "date", values / 86400 if days else values, 0, f"{'days' if days else 'seconds'} {form}"
    )


def _told(name: str, series: pd.Series, kind: str) -> Column:
    """A column of the type that was asked for."""
    found, values = _found(name, series), _plain(series)
    if kind in ("drop", "text", "key", "category", "hash", "constant"):
        if kind == "key" and found.numeric and found.digits == 0:
            return Column(name, kind, found.values, 0, why="as told")
        if kind == "category" and found.type in ("number", "integer"):
            whole = [None if np.isnan(v) else int(v) if found.digits == 0 else float(v) for v in found.values]
            return Column(name, kind, np.array([*whole, None], dtype=object)[:-1], why="as told")
        return Column(name, kind, _mapped(values, bucket if kind == "hash" else str), why="as told")
    if kind == "boolean":
        if len({str(v) for v in values if v is not None}) > 2:
            raise UsageError(f"column {name!r} has more than two values: it is no boolean")
        return Column(name, "boolean", values, why="as told")
    if kind == "date":
        if found.type == "date":
            return found
        texts = _mapped(values, str)
        if (form := _date_form([text for text in texts if text is not None] or [""])) is None:
            raise UsageError(f"column {name!r} holds no dates in a known form (such as 2026-08-31)")
        return _date(name, pandas().Series(texts), form)
    numbers = np.array([v if v is not None and _is_number(v) else None for v in values], dtype=object)
    column = _numeric(name, numbers)
    if column.type == "constant":
        raise UsageError(f"column {name!r} holds no numbers")
    lost = sum(v is not None for v in values) - sum(v is not None for v in numbers)
    why = f"as told; {lost:,} texts count as missing" if lost else "as told"
    if kind == "integer":
        return Column(name, "integer", np.round(column.values), 0, why=why)
    return Column(name, "number", column.values, column.digits, why=why)


def in_unit(values: np.ndarray, form: str, wanted: str) -> np.ndarray:
    """Dates in the unit of another form: days or seconds."""
    seconds = values * (86400 if form.startswith("days") else 1)
    return seconds / (86400 if wanted.startswith("days") else 1)


def bucket(value: Any) -> str:
    """The bucket that stands for a text."""
    return f"h{int.from_bytes(hashlib.sha256(str(value).encode()).digest()[:4]) % BUCKETS:02d}"


def _mapped(values: np.ndarray, kind: Callable[[Any], Any]) -> np.ndarray:
    result = np.array([None] * len(values), dtype=object)
    result[:] = [None if value is None else kind(value) for value in values]
    return result


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(re.fullmatch(NUMBER, value)) and not re.fullmatch(CODE, value)
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _date_form(present: list[str]) -> str | None:
    """The form in which all texts are dates, and none of them is changed by being read and written."""
    if not present[0][:1].isdigit():
        return None
    pd = pandas()
    texts = pd.Series(present)
    for form in DATES:
        stamps = pd.to_datetime(texts.head(50), format=form, errors="coerce")
        if stamps.isna().any():
            continue
        stamps = pd.to_datetime(texts, format=form, errors="coerce")
        if not stamps.isna().any() and (stamps.dt.strftime(form) == texts).all():
            return form
    return None
