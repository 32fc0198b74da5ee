"""What a run on a table learns: rows, with some of their columns given now and then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ornstein.bundle import Bundle
from ornstein.codec.table import ColumnCodec, TableCodec, fit_kinds, fit_numbers, scores
from ornstein.config import override
from ornstein.data.columns import Column, columns
from ornstein.data.manifest import TRAIN, Row
from ornstein.errors import UsageError
from ornstein.process.clocks import Warped
from ornstein.recipes.recipe import Stage
from ornstein.recipes.table import TableData, TableRecipe, table
from ornstein.rng import stream
from ornstein.tables import TableModel
from ornstein.tables.rows import row_hashes
from ornstein.train.objective import fields_loss
from ornstein.train.task import Losses

if TYPE_CHECKING:
    import pandas as pd

RELEARNED = 100  # steps between settings of the clocks
LEAST_ROWS = 20
LARGEST_RECIPE = 2 << 20  # characters
PASSES, LEAST_SAMPLES, MOST_SAMPLES = 300, 150_000, 1_500_000  # over the table; and their bounds, in rows


@dataclass(frozen=True)
class RowBatch:
    """What one step trains on, rows first: clean fields, clock of each row, times by field, and noise."""

    x: dict[str, Tensor]
    t: Tensor
    times: dict[str, Tensor]
    noise: dict[str, Tensor]

    def select(self, rows: Tensor) -> RowBatch:
        """Pick rows."""
        fields = (
            {name: field[rows] for name, field in part.items()} for part in (self.x, self.times, self.noise)
        )
        x, times, noise = fields
        return RowBatch(x, self.t[rows], times, noise)


class TableTask:
    """A ``Task``: the rows of a table.

    Args:
        recipe: resolved (see ``table_task``).
        found: the table's columns, all rows of which are trained on.
        device: where to train.
    """

    start: Bundle | None = None

    def __init__(
        self, recipe: TableRecipe, found: Sequence[Column], device: torch.device | str = "cpu"
    ) -> None:
        self.recipe, self.found = recipe, list(found)
        self.model = TableModel(recipe, TableModel.from_recipe(recipe).network, device=device)
        values = {column.name: column.values for column in found}
        self.low, self.high, self.kinds = recipe.codec.encode(values)
        order = [column.name for column in recipe.codec.columns]
        self._place = {
            "numbers": [order.index(column.name) for column in recipe.codec.numbers],
            "kinds": [order.index(column.name) for column in recipe.codec.kinds],
        }

    def batch(self, stage: Stage, step: int, count: int) -> RowBatch:
        """As of ``Task``; the clocks are set anew now and then."""
        if step and step % RELEARNED == 0 and self.recipe.process.clocks == "learned":
            self.model.network.relearn()
        objective, random = self.recipe.objective, stream("train", self.recipe.training.seed, 0, step)
        chosen = random.integers(len(self.low), size=count)
        uniform = random.random((count, self.low.shape[1]))
        x = {
            "numbers": scores(self.low[chosen], self.high[chosen], uniform),
            "kinds": torch.from_numpy(self.kinds[chosen]),
        }
        clock = (random.permutation(count) + random.random(count)) / count
        t = torch.from_numpy(objective.earliest + (1 - objective.earliest) * clock).float()
        given = random.random((count, 1)) < objective.given
        given = given & (random.random((count, len(self.recipe.codec.columns))) < random.random((count, 1)))
        free = torch.from_numpy(~given).float()
        times = {name: t[:, None] * free[:, place] for name, place in self._place.items()}
        noise = {
            "numbers": torch.from_numpy(random.standard_normal(tuple(x["numbers"].shape), dtype=np.float32)),
            "kinds": torch.from_numpy(random.random(tuple(x["kinds"].shape))),
        }
        parts = (
            {name: part[name].to(self.model.device) for name in self.model.network.fields}
            for part in (x, times, noise)
        )
        x, times, noise = parts
        return RowBatch(x, t.to(self.model.device), times, noise)

    def losses(self, network: Callable[..., Any], batch: RowBatch) -> Losses:
        """As of ``Task``; what is lost of each column is noted for its clock."""
        objective, model = self.recipe.objective, self.model
        weighted, errors = fields_loss(
            model.denoiser(network), model.paths, batch.x, batch.times, batch.noise, None,
            weighting=objective.weight, cap=objective.cap,
        )  # fmt: skip
        assert isinstance(errors, Mapping)
        with torch.no_grad():
            for name, path in model.paths.items():
                if isinstance(path, Warped):
                    times, lost = batch.times[name], errors[name].detach()
                    # of a number that nothing tells of, the absolute error rises evenly, and its clock is straight
                    lost = lost.sqrt() if batch.x[name].is_floating_point() else lost
                    model.network.warper(name).observe(path.own(times), lost, times > 0)
            plain = torch.cat([error.detach().flatten(1) for error in errors.values()], 1).mean(1)
        return Losses(weighted, plain, batch.t)

    def flops(self, stage: Stage) -> float:
        """As of ``Task``: six a weight, that is a row."""
        return 6.0 * sum(weight.numel() for weight in self.model.network.parameters())

    def with_weights(self, weights: Mapping[str, Tensor]) -> TableModel:
        """As of ``Task``."""
        model = TableModel(self.recipe, TableModel.build(self.recipe), device=self.model.device)
        model.network.load_state_dict(weights)
        model.network.eval()
        return model

    def rows(self) -> Iterable[Row]:
        """As of ``Task``: a salted hash of each row stands for it."""
        data, values = self.recipe.data, {column.name: column.values for column in self.found}
        return [
            Row(
                id=f"row-{k}", sha256=digest, licence=data.licence, holder=data.holder, source=self.recipe.name,
                split=TRAIN, concept="", style="", variant=0, captions=(),
            )
            for k, digest in enumerate(row_hashes(self.recipe.codec, values, data.salt))
        ]  # fmt: skip

    def sample(self, model: TableModel, stage: Stage) -> None:
        """As of ``Task``: rows are not shown on the way."""


def length(rows: int) -> int:
    """Samples that a table of so many rows is learned for: more passes over few rows would learn them by heart."""
    return int(np.clip(PASSES * rows, LEAST_SAMPLES, MOST_SAMPLES))


def table_task(
    frame: pd.DataFrame,
    name: str,
    *,
    types: Mapping[str, str] | None = None,
    changes: Sequence[str] = (),
    licence: str | None = None,
    holder: str | None = None,
    device: torch.device | str = "cpu",
) -> TableTask:
    """The task of learning a table, all rows of it.

    Args:
        frame: the rows.
        name: of the model.
        types: of columns, by name, that overrule what is found.
        changes: of the recipe, ``path=value`` each; its length follows the number of rows where it is not among them.
        licence: of the table.
        holder: of the rights in it.
        device: to train on.

    Raises:
        UsageError: a table that cannot be learned from, or a change that does not fit.
    """
    if len(frame) < LEAST_ROWS:
        raise UsageError(f"{len(frame)} rows are too few to learn a table from; it takes {LEAST_ROWS}")
    found = columns(frame, types)
    recipe = override(
        table(), [f"name={json.dumps(name)}", f"training.samples={length(len(frame))}", *changes]
    )
    values = {column.name: column.values for column in found}
    codec = fit(found)
    salt = hashlib.sha256("".join(row_hashes(codec, values, "")).encode()).hexdigest()[:32]
    hashes = row_hashes(codec, values, salt)
    data = TableData(
        rows=len(frame), salt=salt, repeats=round(1 - len(set(hashes)) / len(hashes), 4),
        licence=licence or recipe.data.licence, holder=holder or recipe.data.holder,
    )  # fmt: skip
    resolved = recipe.model_copy(update={"codec": codec, "data": data})
    if len(resolved.model_dump_json()) > LARGEST_RECIPE:
        largest = max(codec.columns, key=lambda column: len(column.model_dump_json()))
        raise UsageError(
            f"too many different values to describe, the most in {largest.name!r}: drop that column"
        )
    return TableTask(resolved, found, device)


def fit(found: Sequence[Column]) -> TableCodec:
    """The codec of a table, by its training rows."""
    coded = [_fit(column, len(found)) for column in found if column.type not in ("text", "drop")]
    return TableCodec(
        columns=tuple(coded), dropped=tuple(c.name for c in found if c.type in ("text", "drop"))
    )


def _fit(column: Column, columns: int) -> ColumnCodec:
    kind: Any = column.type
    if kind in ("number", "integer", "date"):
        return fit_numbers(column.name, kind, column.values, column.digits, column.form, columns)
    if kind == "constant":
        return ColumnCodec(name=column.name, type="constant", kinds=(column.values[0],))
    if kind == "key":
        start = (float(np.nanmax(column.values)) + 1,) if column.numeric else ()
        return ColumnCodec(name=column.name, type="key", values=start)
    return fit_kinds(column.name, kind, list(column.values))
