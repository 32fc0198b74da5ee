"""A model of a table, measured: generated rows beside rows that it learned from and rows that it never saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ornstein.bundle import MANIFEST
from ornstein.data import manifest
from ornstein.data.columns import columns, in_unit
from ornstein.data.table import pandas, read_table
from ornstein.errors import UsageError
from ornstein.evaluate.kinds import Asked, Measured, Tell
from ornstein.evaluate.tables.columns import describe
from ornstein.evaluate.tables.page import headlines, render
from ornstein.evaluate.tables.report import report
from ornstein.tables import TableModel
from ornstein.tables.rows import row_hashes

if TYPE_CHECKING:
    import pandas as pd

MOST = 10_000  # rows that are made, where nothing else is said
UNTOLD = ("key", "constant", "hash")  # types of columns that say nothing of a row's likeness


def measure(model: TableModel, asked: Asked, tell: Tell) -> Measured:
    """The report of ``evaluate.tables`` on rows that the model makes, as many as it learned from.

    The files hold rows that were learned from and rows that were not; which is which, the bundle's manifest tells.

    Raises:
        UsageError: no file, or too few rows of either kind.
    """
    if not asked.data:
        raise UsageError(
            "name the table: --data FILE, with rows that were learned from and rows that were not (several files may)"
        )
    frame = pandas().concat([read_table(file).frame for file in asked.data], ignore_index=True)
    learned = _learned(model, frame)
    train, test = frame[learned].reset_index(drop=True), frame[~learned].reset_index(drop=True)
    count = asked.samples or min(len(train), MOST)
    if not count:
        raise UsageError("no row of these files was learned from: is it another model's table?")
    tell("generating", 0, count)
    made = model.generate(count, asked.seed, progress=lambda done, of: tell("generating", done, of)).frame
    train, test, made = (typed(model, rows) for rows in (train, test, made))
    found = report(
        train, test, made, describe(train), asked.target, model=model.recipe.name, seed=asked.seed,
        tell=lambda what: tell(what, 1, 1),
    )  # fmt: skip
    return Measured(
        model.recipe.name,
        found.comparable,
        found.metrics(),
        headlines(found),
        lambda command: render(found, command),
    )


def typed(model: TableModel, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows as the model understands them, however they are written: 4000 and 4000.0 are one number."""
    types = {c.name: c.type for c in model.codec.columns if c.type not in UNTOLD and c.name in frame}
    values: dict[str, np.ndarray] = {}
    for name, kind in types.items():
        if frame[name].isna().all():
            values[name] = np.full(len(frame), None if kind in ("category", "boolean") else np.nan)
            continue
        (column,) = columns(frame[[name]], {name: kind}, learnable=False)
        values[name] = in_unit(column.values, column.form, "seconds") if kind == "date" else column.values
    return pandas().DataFrame(values)


def _learned(model: TableModel, frame: pd.DataFrame) -> np.ndarray:
    """(rows,) bool: whether the model learned from a row, by the hashes in its manifest."""
    found = digests(model, frame)
    assert model.bundle is not None
    known = {row.sha256 for row in manifest.read(model.bundle.folder / MANIFEST)}
    return np.array([digest in known for digest in found], dtype=bool)


def digests(model: TableModel, frame: pd.DataFrame) -> list[str]:
    """The hashes by which a model's manifest would know the rows of a table.

    Raises:
        UsageError: the bundle does not say what it learned from, or the table lacks a column.
    """
    if model.bundle is None or model.bundle.facts.data is None:
        raise UsageError(f"{model.recipe.name} does not say what it learned from: its bundle has no manifest")
    types = {c.name: c.type for c in model.codec.columns}
    if absent := sorted(set(types) - set(frame.columns)):
        raise UsageError(f"the table has no column {absent[0]!r}, which the model has")
    values = {c.name: c.values for c in columns(frame[list(types)], types, learnable=False)}
    return row_hashes(model.codec, values, model.recipe.data.salt)
