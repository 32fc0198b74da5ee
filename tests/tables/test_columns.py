"""What columns are taken for, and what they are told to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ornstein.data.columns import Column, columns, summary
from ornstein.errors import UsageError

ROWS = 200
RANDOM = np.random.default_rng(0)


def found(values: Any, name: str = "x", told: str | None = None) -> Column:
    (column,) = columns(pd.DataFrame({name: values}), {name: told} if told else None, learnable=False)
    return column


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        (RANDOM.normal(size=ROWS), "x", "number"),
        ([f"{v:.2f}" for v in RANDOM.normal(size=ROWS)], "x", "number"),
        (RANDOM.integers(0, 10**6, ROWS), "salary", "integer"),
        (RANDOM.permutation(ROWS), "x", "key"),
        (RANDOM.permutation(10**6)[:ROWS], "customer_id", "key"),
        ([f"a{k:05d}" for k in range(ROWS)], "code", "key"),
        ([f"0{k:04d}" for k in RANDOM.integers(0, 9, ROWS)], "postcode", "category"),
        (RANDOM.choice(["a", "b"], ROWS), "x", "category"),
        (RANDOM.choice([True, False], ROWS), "x", "boolean"),
        (RANDOM.choice(["true", "false"], ROWS), "x", "boolean"),
        ([f"2024-03-{k % 28 + 1:02d}" for k in range(ROWS)], "x", "date"),
        ([f"{k % 28 + 1:02d}.03.2024" for k in range(ROWS)], "x", "date"),
        (pd.date_range("2024-01-01", periods=ROWS, freq="h"), "x", "date"),
        (["same"] * ROWS, "x", "constant"),
        ([None] * ROWS, "x", "constant"),
        ([f"a comment, number {k}" for k in range(ROWS)], "x", "text"),
        ([str(k) if k % 3 else f"unknown {k}" for k in range(ROWS)], "x", "text"),
    ],
)
def test_types_are_found(values: Any, name: str, expected: str) -> None:
    assert found(values, name).type == expected


def test_what_is_told_overrules_what_is_found() -> None:
    mixed = [str(k) if k % 3 else f"unknown {k}" for k in range(ROWS)]
    number = found(mixed, told="number")
    assert number.type == "integer" or number.type == "number"
    assert number.missing == sum(k % 3 == 0 for k in range(ROWS))
    assert "67 texts count as missing" in number.why
    assert set(found(RANDOM.integers(0, 50, ROWS), told="category").values) <= set(range(50))
    hashed = found([f"a comment, number {k}" for k in range(ROWS)], told="hash")
    assert 10 < len(set(hashed.values)) <= 32
    assert all("comment" not in value for value in hashed.values)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"agee": "number"}, "no column 'agee'; did you mean 'age'"),
        ({"age": "nummber"}, "unknown type 'nummber' of column 'age'; did you mean 'number'"),
        ({"city": "number"}, "holds no numbers"),
        ({"city": "date"}, "holds no dates"),
        ({"age": "boolean"}, "more than two values"),
        ({"age": "drop", "city": "drop"}, "can be learned"),
    ],
)
def test_what_cannot_be_told_is_refused(told: dict[str, str], said: str) -> None:
    frame = pd.DataFrame({"age": RANDOM.integers(0, 90, ROWS), "city": RANDOM.choice(["a", "b"], ROWS)})
    with pytest.raises(UsageError, match=said):
        columns(frame, told)


def test_ten_thousand_columns_are_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="10,000 columns are more than"):
        columns(pd.DataFrame(np.zeros((3, 10_000))))


def test_infinite_numbers_count_as_missing() -> None:
    column = found([1.5, np.inf, 2.5, -np.inf] * 50)
    assert column.missing == 100
    assert column.why == "infinite ones count as missing"


def test_the_summary_tells_what_becomes_of_each_column() -> None:
    frame = pd.DataFrame(
        {"id": range(ROWS), "note": [f"a comment {k}" for k in range(ROWS)], "age": RANDOM.normal(size=ROWS)}
    )
    text = summary(columns(frame))
    assert "made anew, never learned" in text
    assert "dropped; 200 different texts, or --column note=hash" in text
