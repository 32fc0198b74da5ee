"""A model of a table: rows like those it learned from, rows under conditions, and gaps filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from ornstein.bundle import MANIFEST
from ornstein.codec.table import TableCodec, scores
from ornstein.data.columns import columns, in_unit
from ornstein.data.where import read_conditions
from ornstein.denoise.bucketed import Bucketed
from ornstein.denoise.product import FieldsDenoiser
from ornstein.errors import UsageError
from ornstein.fields_model import FieldsModel
from ornstein.process.fields import Sample
from ornstein.process.gaussian import Path as GaussianPath
from ornstein.process.masked import MASK
from ornstein.process.noise import row_noise
from ornstein.recipes.table import TableRecipe
from ornstein.rng import stream
from ornstein.sample.blocks import held
from ornstein.sample.joined import joined
from ornstein.sample.loop import sample_last
from ornstein.sample.registry import find_method, find_token_method
from ornstein.sample.stepper import Method
from ornstein.tables.network import ClockedNetwork, Forbidding
from ornstein.tables.rows import Rows, TableOutput, TableRecord, formed, row_seed
from ornstein.tables.wanted import Wanted

if TYPE_CHECKING:
    import pandas as pd


BATCH = 256  # rows of every call of the network, always: numbers depend on the shape of a batch
MOST = 8 * BATCH  # rows that take their steps together
TRIES = 20  # drawings of a row under conditions before what was found is built upon
REDRAWN = 8  # further drawings of a row that is a copy
SINGLE = 2  # a training row is rare where at most so many are equal to it
MOST_ROWS = 10_000_000
FEW_REPEATS = 0.01  # share of training rows under which generated rows may not repeat either


class TableModel(FieldsModel):
    """A generator of rows.

    Args:
        recipe: what it is made of.
        network: the trained weights.
        bundle: where it was loaded from or saved to; None for a model in training.
        device: where the network runs.
    """

    recipe: TableRecipe
    network: ClockedNetwork

    @staticmethod
    def build(recipe: TableRecipe) -> ClockedNetwork:
        """The network of a recipe, with fresh weights."""
        return ClockedNetwork(recipe)

    @property
    def codec(self) -> TableCodec:
        """How its columns are coded."""
        return self.recipe.codec

    @property
    def paths(self) -> dict[str, GaussianPath]:
        """How each field is destroyed."""
        return self.network.paths(self.recipe.process)

    @property
    def method(self) -> Method:
        """How both fields are stepped."""
        sampling = self.recipe.sampling
        return joined(find_method(sampling.numbers), find_token_method(sampling.kinds))

    def denoiser(
        self, network: Callable[..., Sample] | None = None, dtype: torch.dtype | None = None
    ) -> FieldsDenoiser:
        """As of ``FieldsModel``; the recipe says what the network is asked of numbers."""
        made = super().denoiser(network, dtype)
        assert isinstance(made, FieldsDenoiser)
        return replace(made, target=self.recipe.process.target)

    def generate(
        self,
        rows: int,
        seed: int = 0,
        *,
        where: Sequence[str] = (),
        balanced: str | None = None,
        steps: int | None = None,
        copies: bool = False,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> TableOutput:
        """Make rows. Row k of a seed is the same whatever the number of rows, where no condition is rejected on.

        Args:
            rows: how many.
            seed: of all of them.
            where: conditions that every row meets: ``age>60``, ``sex=F``, ``city=Rome|Oslo``.
            balanced: a categorical column whose values are to be equally frequent.
            steps: of the sampler.
            copies: let rows pass that copy a rare training row, or each other.
            progress: told (rows done, rows in all).

        Raises:
            UsageError: an unknown column, an impossible condition, a number out of range; before anything is made.
            OrnsteinError: too few rows meet the conditions, or too many are copies.
        """
        if not 1 <= rows <= MOST_ROWS:
            raise UsageError(f"the number of rows lies in 1 to {MOST_ROWS:,}, not {rows:,}")
        if seed < 0:
            raise UsageError(f"a seed is not negative, not {seed}")
        names = [column.name for column in self.codec.columns]
        wanted = Wanted(self.codec, read_conditions(where, names), balanced, seed)
        rare = frozenset[str]() if copies else self._rare()
        made = Rows(self.codec, rows, wanted, rare, self.recipe.data.salt)
        made.unique = not copies and self.recipe.data.repeats < FEW_REPEATS
        for attempt in range(TRIES + REDRAWN if wanted.filtered else REDRAWN):
            known = made.values() if attempt >= TRIES and made.done else None
            if not made.pending or (attempt >= TRIES and known is None):
                break
            for slots in made.chunks(BATCH if wanted.filtered else MOST, several=wanted.filtered):
                seeds = [
                    row_seed(seed, BATCH * attempt + k // len(set(slots)), slot)
                    for k, slot in enumerate(slots)
                ]
                drawn = self._run(seeds, wanted.given(slots, seeds, known), steps)
                made.take(slots, wanted.settled(self.codec.decode(drawn, seeds), seeds))
                progress(rows - len(made.pending), rows)
        made.complete()
        frame = formed(self.codec, made.values(), rows, seed)
        record = TableRecord.of(self, seed, where, balanced, steps, copies, made)
        return TableOutput(frame, record)

    def impute(
        self,
        frame: pd.DataFrame,
        seed: int = 0,
        steps: int | None = None,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> pd.DataFrame:
        """The same table with its gaps filled, each row by one draw given what it tells.

        Columns the model does not know, and values it has never seen, stay as they are. Every gap of a column that is
        modelled is filled, also where gaps were learned as a value of their own.

        Args:
            frame: with the columns that were trained on; those that lack are all gaps.
            seed: of the draws.
            steps: of the sampler.
            progress: told (rows done, rows in all).

        Raises:
            UsageError: none of the model's columns, or one whose values are of another type.
        """
        types = {
            c.name: c.type
            for c in self.codec.columns
            if c.learned and c.name in frame and frame[c.name].notna().any()
        }
        if not types:
            names = ", ".join(c.name for c in self.codec.columns[:8])
            raise UsageError(f"none of the model's columns ({names} …) is in this table")
        forms = {c.name: c.form for c in self.codec.columns}
        found = {
            c.name: c.values if c.type != "date" else in_unit(c.values, c.form, forms[c.name])
            for c in columns(frame[list(types)], types, learnable=False)
        }
        absent = {
            c.name: np.full(len(frame), np.nan) if c.of_numbers else np.full(len(frame), None, object)
            for c in self.codec.columns if c.learned and c.name not in types
        }  # fmt: skip
        seeds = [row_seed(seed, 0, row) for row in range(len(frame))]
        given = self._given({**found, **absent}, seeds)
        forbidden = self._missing()
        parts: list[dict[str, np.ndarray]] = []
        for start in range(0, len(frame), MOST):
            some = slice(start, start + MOST)
            known = {name: field[some] for name, field in given.items()}
            parts.append(self.codec.decode(self._run(seeds[some], known, steps, forbidden), seeds[some]))
            progress(min(start + MOST, len(frame)), len(frame))
        values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        drawn = formed(self.codec, values, len(frame), seed)
        filled = frame.copy()
        for name in drawn.columns:
            if name in types:
                new = drawn[name].set_axis(frame.index)
                filled[name] = frame[name].astype(object).where(frame[name].notna(), new).infer_objects()
            elif name in absent:
                filled[name] = drawn[name].to_numpy()
        return filled

    def _given(self, values: Mapping[str, np.ndarray], seeds: Sequence[int]) -> dict[str, Tensor]:
        """What a table tells, as ``trajectory`` takes it."""
        low, high, kinds = self.codec.encode(values)
        uniform = np.stack([stream("given", seed).random(low.shape[1]) for seed in seeds])
        numbers = scores(low, high, uniform).double()
        for k, column in enumerate(self.codec.numbers):
            numbers[torch.from_numpy(np.isnan(values[column.name])), k] = torch.nan
        for k, column in enumerate(self.codec.kinds):  # a gap is free, though it was a category in training
            gone = values[column.name]
            kinds[np.isnan(gone) if gone.dtype == np.float64 else [v is None for v in gone], k] = MASK
        return {"numbers": numbers, "kinds": torch.from_numpy(kinds)}

    def _missing(self) -> Tensor:
        """(M, K) bool: the categories that say that a value is missing."""
        forbidden = torch.zeros_like(self.network.columns.place)
        for k, column in enumerate(self.codec.kinds):
            for place, value in enumerate(column.kinds):
                forbidden[k, place + column.numeric] = value is None
        return forbidden

    @torch.inference_mode()
    def _run(
        self,
        seeds: Sequence[int],
        given: Mapping[str, Tensor] | None,
        steps: int | None,
        forbidden: Bool[Tensor, "columns categories"] | None = None,
    ) -> dict[str, Tensor]:
        """Rows of seeds, on the CPU; the last call of the network is filled up with others that are thrown away.

        Args:
            seeds: one a row.
            given: by field, rows first: normal scores and categories that are known, which stay; NaN and ``MASK`` for
                what is not.
            steps: of the sampler; the recipe's where None.
            forbidden: categories that no column may get.
        """
        extra = -len(seeds) % BATCH
        whole, fields = [*seeds, *[seeds[-1]] * extra], self.network.fields
        rows = len(whole)
        noise: Any = row_noise(
            whole, 0, {"numbers": torch.zeros(rows, fields.get("numbers", 0), dtype=torch.float64)}
        )
        start = {"numbers": noise["numbers"], "kinds": torch.full((rows, fields.get("kinds", 0)), MASK)}
        times = torch.linspace(1, 0, (steps or self.recipe.sampling.steps) + 1, dtype=torch.float64)
        grids: Any = times
        if given is not None:
            filled = {name: torch.cat([part, part[-1:].expand(extra, -1)]) for name, part in given.items()}
            known = {"numbers": ~filled["numbers"].isnan(), "kinds": filled["kinds"] != MASK}
            start = {name: torch.where(known[name], filled[name], start[name]) for name in start}
            grids = [{name: held(times, known[name][row]) for name in fields} for row in range(rows)]
        x = {name: start[name].to(self.device) for name in fields}
        denoiser = self.denoiser()
        denoiser = replace(denoiser, network=Bucketed(denoiser.network, (BATCH,)))
        asked = denoiser if forbidden is None else Forbidding(denoiser, forbidden.to(self.device))
        end: Any = sample_last(self.trajectory(self.method, x, grids, whole, asked))
        return {name: field[: len(seeds)].cpu() for name, field in end.items()}

    def _rare(self) -> frozenset[str]:
        """Hashes of training rows that few others equal."""
        if self.bundle is None or self.bundle.facts.data is None:
            return frozenset()
        from collections import Counter

        from ornstein.data import manifest

        counts = Counter(row.sha256 for row in manifest.read(self.bundle.folder / MANIFEST))
        return frozenset(digest for digest, count in counts.items() if count <= SINGLE)
