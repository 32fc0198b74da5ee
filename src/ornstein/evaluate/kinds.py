"""Measuring models of anything but pictures: one interface, and for each class of model a function that measures it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ornstein.errors import UsageError
from ornstein.evaluate.fidelity import Figure
from ornstein.tables import TableModel
from ornstein.texts import TextModel

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Asked:
    """What is to be measured, and on what.

    Attributes:
        samples: that are made; None for as many as the kind of data wants. seed: of everything drawn.
        data: real data, where the bundle does not say where they are: a pack of text; tables' files.
        target: a column that others shall foretell; None for none.
    """

    samples: int | None = None
    seed: int = 0
    data: tuple[Path, ...] = ()
    target: str | None = None


@dataclass(frozen=True)
class Measured:
    """What was found.

    Attributes:
        model: its name. comparable: figures that rules such as ``copied>0.1`` are about.
        values: for ``metrics.json`` and the bundle. headlines: name, value and what stands beside it.
        page: makes the report's HTML, given the command that makes it again; None where there is none.
    """

    model: str
    comparable: Sequence[Figure]
    values: dict[str, Any]
    headlines: Sequence[tuple[str, str, str]]
    page: Callable[[str], str] | None = field(default=None)


def measure(model: Any, asked: Asked, tell: Tell) -> Measured:
    """Measure a model.

    Raises:
        UsageError: no real data, too few, or a model that nothing here measures.
    """
    from ornstein.evaluate.tables.measure import measure as of_rows
    from ornstein.evaluate.texts.measure import measure as of_texts

    measures: dict[type, Callable[[Any, Asked, Tell], Measured]] = {TextModel: of_texts, TableModel: of_rows}
    for kind, by in measures.items():
        if isinstance(model, kind):
            return by(model, asked, tell)
    raise UsageError(f"nothing here measures {type(model).__name__}")
