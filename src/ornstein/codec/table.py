r"""Between a table's columns and what the process runs in: numbers as normal scores, everything else as categories.

A value of a numeric column is an **interval of probability** under the column's own distribution: a point where values
are continuous, a stretch where a value repeats (an atom), all of (0, 1) where the value is missing. Encoding draws
$u$ uniformly from the interval and takes $z=\Phi^{-1}(u)$, which is standard normal over the table; decoding looks up
the quantile at $\Phi(z)$, so that atoms come back exactly. That a number is missing, or one of few values that hold
much of the mass, is said by a category beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field

from ornstein.config import Config
from ornstein.rng import stream

Scalar = bool | int | float | str | None
KNOTS = 20_000  # of all columns together
MOST_KNOTS, LEAST_KNOTS = 256, 16
ATOM = 0.002  # share of a value that is kept exactly
HEAVY = 0.15  # share of a value that becomes a category beside the number
FEW = 20  # distinct numbers that are categories
MOST_KINDS = 100
RARE = 4  # rows under which a category shares a bucket


class ColumnCodec(Config):
    """How one column is coded; fitted on training rows.

    Attributes:
        name: of the column. type: what it was taken for.
        probabilities, values: knots of the quantile function, rising; empty where no number is modelled.
        kinds: what each category decodes to, None for missing. Where there is a number, the first category says so,
            and `kinds` are those after it.
        shares: of training rows in each category.
        rest: rare values and their counts, which share one more category; drawn by count when decoded.
        digits: decimals to round to; None for all. form: of dates (``data.columns``).
    """

    name: str
    type: Literal["number", "integer", "date", "boolean", "category", "constant", "key", "hash"]
    probabilities: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    kinds: tuple[Scalar, ...] = ()
    shares: tuple[float, ...] = ()
    rest: tuple[tuple[Scalar, int], ...] = ()
    digits: int | None = None
    form: str = ""

    @property
    def numeric(self) -> bool:
        """Whether a number is modelled."""
        return bool(self.probabilities)

    @property
    def categories(self) -> int:
        """Of its categorical element; 0 where there is none."""
        count = self.numeric + len(self.kinds) + bool(self.rest)
        return count if count > 1 else 0

    @property
    def of_numbers(self) -> bool:
        """Whether its values are numbers, however they are modelled."""
        return self.type in ("number", "integer", "date")

    @property
    def learned(self) -> bool:
        """Whether a network has anything to say about it."""
        return self.numeric or self.categories > 0

    def intervals(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ends (n,), (n,) float64 of each value's interval of probability; values are float64, NaN where missing."""
        p, v = np.array(self.probabilities), np.array(self.values)
        low, high = np.zeros(len(values)), np.ones(len(values))
        known = self.number_kind(values) == 0
        x = np.clip(values[known], v[0], v[-1])
        first, last = np.searchsorted(v, x, "left"), np.searchsorted(v, x, "right")
        inside = np.interp(x, v, p)
        on = last > first  # on a knot; on two or more: an atom
        low[known] = np.where(on, p[np.minimum(first, len(p) - 1)], inside)
        high[known] = np.where(on, p[last - 1], inside)
        return low, high

    def number_kind(self, values: np.ndarray) -> np.ndarray:
        """(n,) int64 category beside a number: 0 for a number; -1 where a missing one was never seen in training."""
        kind = np.zeros(len(values), np.int64)
        for k, value in enumerate(self.kinds):
            kind[np.isnan(values) if value is None else values == value] = k + 1
        kind[np.isnan(values) & (kind == 0)] = -1
        return kind

    def kind(self, values: Sequence[Scalar]) -> np.ndarray:
        """(n,) int64 category of each value; -1 for one that was never seen."""
        numbers = {key(v): k for key in (str, _key) for k, v in enumerate(self.kinds)}
        numbers |= {key(v): len(self.kinds) for key in (str, _key) for v, _ in self.rest}
        return np.array([numbers.get(_key(v), numbers.get(str(v), -1)) for v in values], np.int64)

    def decode(self, scores: np.ndarray | None, kinds: np.ndarray | None, seeds: Sequence[int]) -> np.ndarray:
        """(n,) object values, None where missing, of normal scores (n,) and categories (n,)."""
        count = len(seeds)
        if not self.numeric:
            wanted = np.zeros(count, np.int64) if kinds is None else kinds
            return _objects([self._kind_value(int(k), seed) for k, seed in zip(wanted, seeds, strict=True)])
        assert scores is not None
        u = torch.special.ndtr(torch.from_numpy(scores.astype(np.float64))).numpy()
        x = np.interp(u, self.probabilities, self.values)
        if self.digits is not None:
            x = np.clip(np.round(x, self.digits), self.values[0], self.values[-1])
        whole = self.digits == 0
        numbers = [int(value) if whole else float(value) for value in x]
        if kinds is None:
            return _objects(numbers)
        beside = [None if value is None else int(value) if whole else value for value in self.kinds]
        return _objects(
            [beside[k - 1] if k > 0 else number for k, number in zip(kinds, numbers, strict=True)]
        )

    def _kind_value(self, kind: int, seed: int) -> Scalar:
        if kind < len(self.kinds):
            return self.kinds[kind]
        counts = np.cumsum([count for _, count in self.rest])
        draw = stream(f"rare/{self.name}", seed).random() * counts[-1]
        return self.rest[int(np.searchsorted(counts, draw, "right"))][0]


class TableCodec(Config):
    """How a table is coded: fields ``numbers`` and ``kinds``, each with an axis of columns.

    Attributes:
        columns: in the table's order; those that are dropped are not among them.
        dropped: names of columns that were left out.
    """

    kind: Literal["table"] = "table"
    columns: tuple[ColumnCodec, ...] = Field(default=(), repr=False)
    dropped: tuple[str, ...] = ()

    @property
    def numbers(self) -> list[ColumnCodec]:
        """Columns of the field ``numbers``."""
        return [column for column in self.columns if column.numeric]

    @property
    def kinds(self) -> list[ColumnCodec]:
        """Columns of the field ``kinds``."""
        return [column for column in self.columns if column.categories]

    def encode(self, values: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ends of the intervals of probability (n, N), (n, N) float64, and categories (n, M) int64, -1 for unknown.

        Args:
            values: by name of column: (n,) float64 with NaN, or object with None.
        """
        ends = [column.intervals(values[column.name]) for column in self.numbers]
        kinds = [
            column.number_kind(values[column.name])
            if column.numeric
            else column.kind(list(values[column.name]))
            for column in self.kinds
        ]
        count = len(next(iter(values.values())))
        low = np.stack([end[0] for end in ends], 1) if ends else np.zeros((count, 0))
        high = np.stack([end[1] for end in ends], 1) if ends else np.zeros((count, 0))
        return low, high, np.stack(kinds, 1) if kinds else np.zeros((count, 0), np.int64)

    def decode(self, sample: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, np.ndarray]:
        """Columns by name, (n,) object, of a sample of tensors; keys are left to whoever knows the row's number."""
        scores = {c.name: sample["numbers"][:, k].double().numpy() for k, c in enumerate(self.numbers)}
        kinds = {c.name: sample["kinds"][:, k].numpy() for k, c in enumerate(self.kinds)}
        return {
            column.name: column.decode(scores.get(column.name), kinds.get(column.name), seeds)
            for column in self.columns
            if column.type != "key"
        }


def scores(low: np.ndarray, high: np.ndarray, uniform: np.ndarray) -> torch.Tensor:
    """Normal scores, float32, of points drawn in intervals of probability: all of one shape."""
    u = np.clip(low + (high - low) * uniform, 1e-6, 1 - 1e-6)
    return torch.special.ndtri(torch.from_numpy(u)).float()


def fit_numbers(
    name: str,
    kind: Literal["number", "integer", "date"],
    values: np.ndarray,
    digits: int | None,
    form: str,
    columns: int,
) -> ColumnCodec:
    """The codec of a numeric column, by its training values (n,) float64, NaN where missing; of so many `columns`."""
    present = np.sort(values[~np.isnan(values)])
    distinct, counts = np.unique(present, return_counts=True)
    missing = (None,) if len(present) < len(values) else ()
    lost = (1 - len(present) / len(values),) * len(missing)
    if len(distinct) <= FEW and len(present) >= 5 * len(distinct):
        kinds = tuple(int(v) if digits == 0 else float(v) for v in distinct)
        return ColumnCodec(
            name=name, type=kind, kinds=(*kinds, *missing), digits=digits, form=form,
            shares=(*(counts / len(values)).tolist(), *lost),
        )  # fmt: skip
    heavy = counts >= HEAVY * len(values)
    heavy &= not heavy.all()  # some value has to be left for the number
    kept = present[~np.isin(present, distinct[heavy])]
    knots = int(np.clip(KNOTS // columns, LEAST_KNOTS, MOST_KNOTS))
    probabilities, knot_values = _quantiles(kept, knots)
    beside = tuple(float(v) for v in distinct[heavy])
    return ColumnCodec(
        name=name, type=kind, probabilities=probabilities, values=knot_values, kinds=(*beside, *missing),
        digits=digits, form=form, shares=(len(kept) / len(values), *(counts[heavy] / len(values)).tolist(), *lost),
    )  # fmt: skip


def fit_kinds(name: str, kind: Any, values: Sequence[Scalar]) -> ColumnCodec:
    """The codec of a categorical column, by its training values; rare ones share a bucket."""
    counts = Counter(values)
    ranked = sorted(counts, key=lambda value: (-counts[value], str(value)))
    own = [v for k, v in enumerate(ranked) if v is None or (k < MOST_KINDS and counts[v] >= RARE)]
    rare = [v for v in ranked if v not in own]
    if len(rare) == 1 or not own or len(ranked) <= 2:  # a bucket of one is that value
        own, rare = ranked[:MOST_KINDS], ranked[MOST_KINDS:]
    held = [counts[value] for value in own] + [sum(counts[value] for value in rare)] * bool(rare)
    return ColumnCodec(
        name=name, type=kind, kinds=tuple(own), shares=tuple(count / len(values) for count in held),
        rest=tuple((value, counts[value]) for value in rare),
    )  # fmt: skip


def _quantiles(ordered: np.ndarray, knots: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots (probability, value) of the quantile function: two for each atom, and a grid even in normal scores."""
    count = len(ordered)
    distinct, first, counts = np.unique(ordered, return_index=True, return_counts=True)
    atoms = np.flatnonzero(counts >= max(2, ATOM * count))
    atoms = np.sort(atoms[np.argsort(-counts[atoms], kind="stable")[: 2 * knots]])
    low, high = first[atoms] / count, (first[atoms] + counts[atoms]) / count
    edge = float(torch.special.ndtri(torch.tensor(1 - 0.5 / count, dtype=torch.float64)))
    grid = torch.special.ndtr(torch.linspace(-edge, edge, knots, dtype=torch.float64)).numpy()
    values = np.quantile(ordered, grid, method="hazen")
    if len(atoms):  # what falls into an atom is said by the atom
        place = np.searchsorted(low, grid, "right") - 1
        free = (place < 0) | (grid > high[place.clip(0)])
        grid, values = grid[free], values[free]
    p = np.concatenate([[0.0], low, high, grid, [1.0]])
    v = np.concatenate([ordered[:1], distinct[atoms], distinct[atoms], values, ordered[-1:]])
    order = np.lexsort((v, p))
    p, v = p[order], np.maximum.accumulate(v[order])
    keep = np.r_[True, (np.diff(p) > 0) | (np.diff(v) > 0)]
    return tuple(np.round(p[keep], 9).tolist()), tuple(v[keep].tolist())


def _objects(values: Sequence[Scalar]) -> np.ndarray:
    return np.fromiter(values, dtype=object, count=len(values))


def _key(value: Scalar) -> Any:
    """What makes two values the same: 1, 1.0 and np.int64(1) are; True and 1 are not."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return ("boolean", bool(value))
    return float(value) if isinstance(value, int | float | np.number) else str(value)
