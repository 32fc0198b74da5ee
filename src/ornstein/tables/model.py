"""A model of a table: rows like those it learned from, rows under conditions, and gaps filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from ornstein import saving
from ornstein.assembly import InferenceCopies, fast_dtype
from ornstein.bundle import MANIFEST, Bundle, DtypeName
from ornstein.codec.table import TableCodec, scores
from ornstein.data.columns import columns
from ornstein.data.where import read_conditions
from ornstein.denoise.posterior import Denoiser
from ornstein.denoise.product import FieldsDenoiser
from ornstein.errors import OrnsteinError, UsageError
from ornstein.process.gaussian import Path as GaussianPath
from ornstein.process.masked import MASK
from ornstein.process.noise import row_noise
from ornstein.recipes.table import TableRecipe
from ornstein.rng import stream
from ornstein.sample.blocks import held
from ornstein.sample.joined import joined
from ornstein.sample.loop import State, sample_last, trajectory
from ornstein.sample.registry import find_method, find_token_method
from ornstein.tables.network import Autocast, ClockedNetwork, Forbidding
from ornstein.tables.rows import Rows, TableOutput, TableRecord, formed, row_seed
from ornstein.tables.wanted import Wanted

if TYPE_CHECKING:
    import pandas as pd

    from ornstein.data.manifest import Row

BATCH = (
    256  # rows of every call of the network: numbers depend on the shape of a batch, so it is always this one
)
TRIES = 20  # drawings of a row under conditions before what was found is built upon
REDRAWN = 8  # further drawings of a row that is a copy
SINGLE = 2  # a training row is rare where at most so many are equal to it
MOST_ROWS = 10_000_000
FEW_REPEATS = 0.01  # share of training rows under which generated rows may not repeat either


class TableModel:
    """A generator of rows.

    Args:
        recipe: what it is made of.
        network: the trained weights.
        bundle: where it was loaded from or saved to; None for a model in training.
        device: where the network runs.
    """

    def __init__(
        self,
        recipe: TableRecipe,
        network: ClockedNetwork,
        bundle: Bundle | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.recipe, self.bundle, self.device = recipe, bundle, torch.device(device)
        self.network = network.to(self.device)
        self.dtype = fast_dtype(self.device)
        self._copies = InferenceCopies()
        self.method = joined(find_method(recipe.sampling.numbers), find_token_method(recipe.sampling.kinds))

    @classmethod
    def from_recipe(cls, recipe: TableRecipe, device: torch.device | str = "cpu") -> TableModel:
        """A model with fresh weights, drawn from the recipe's seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.training.seed)
            return cls(recipe, ClockedNetwork(recipe), device=device)

    @classmethod
    def of(cls, bundle: Bundle, device: torch.device | str = "cpu") -> TableModel:
        """The model of a bundle. Raises OrnsteinError where weights are not those of its recipe."""
        recipe: Any = bundle.facts.recipe
        network = ClockedNetwork(recipe)
        try:
            network.load_state_dict(bundle.weights())
        except RuntimeError as error:
            raise OrnsteinError(f"{bundle.folder}: its weights are not those of its recipe") from error
        return cls(recipe, network.eval(), bundle, device)

    def save(
        self,
        folder: str | Path,
        *,
        manifest: Sequence[Row] | str | Path | None = None,
        metrics: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        dtype: DtypeName | None = None,
    ) -> Path:
        """Write a bundle, whole or not at all; as ``Model.save``.

        Raises:
            UsageError: the folder exists. OrnsteinError: weights that are not finite, or a disk that refuses.
        """
        old = self.bundle
        data = None
        if manifest is None and old is not None and old.facts.data is not None:
            manifest, data = old.folder / MANIFEST, old.facts.data
        self.bundle = saving.save(
            Path(folder), self.recipe, self.network.state_dict(),
            dtype=dtype or (old.facts.dtype if old and old.facts.dtype != "float16" else "float32"),
            encoder=None, data=data, manifest=Path(manifest) if isinstance(manifest, str) else manifest,
            metrics=metrics if metrics is not None else old.metrics() if old else {},
            training=training if training is not None else old.facts.training if old else {},
        )  # fmt: skip
        return self.bundle.folder

    @property
    def codec(self) -> TableCodec:
        """How its columns are coded."""
        return self.recipe.codec

    @property
    def paths(self) -> dict[str, GaussianPath]:
        """How each field is destroyed."""
        return self.network.paths(self.recipe.process)

    def denoiser(self, network: Callable[..., Any] | None = None) -> FieldsDenoiser:
        """The denoiser of a network, this model's own if None."""
        return FieldsDenoiser(
            Autocast(network or self.network, self.dtype), self.paths, self.recipe.process.target
        )

    def trajectory(
        self,
        seeds: Sequence[int],
        given: Mapping[str, Tensor] | None = None,
        steps: int | None = None,
        forbidden: Bool[Tensor, "columns categories"] | None = None,
    ) -> Iterator[State]:
        """Rows on their way from noise, one for each seed.

        Args:
            seeds: one a row.
            given: by field, rows first: numbers as normal scores and categories that are known, which stay; NaN and
                ``MASK`` for what is not.
            steps: of the sampler; the recipe's where None.
            forbidden: categories that no column may get.
        """
        count, fields = len(seeds), self.network.fields
        like: dict[str, Tensor] = {}
        if "numbers" in fields:
            like["numbers"] = torch.zeros(count, fields["numbers"], dtype=torch.float64, device=self.device)
        if "kinds" in fields:
            like["kinds"] = torch.full((count, fields["kinds"]), MASK, device=self.device)
        noise = row_noise(seeds, 0, like)
        assert isinstance(noise, Mapping)
        x = {"numbers": noise["numbers"]} if "numbers" in fields else {}
        x |= {"kinds": like["kinds"]} if "kinds" in fields else {}
        times = torch.linspace(1, 0, (steps or self.recipe.sampling.steps) + 1, dtype=torch.float64)
        grids: Any = times
        if given is not None:
            known = {
                name: (field == field) if field.is_floating_point() else field != MASK
                for name, field in given.items()
            }
            x = {name: torch.where(known[name], given[name].to(field), field) for name, field in x.items()}
            grids = [{name: held(times, known[name][row]) for name in x} for row in range(count)]
        denoiser: Denoiser = self.denoiser(self._copies.of(self.network, self.dtype))
        if forbidden is not None:
            denoiser = Forbidding(denoiser, forbidden.to(self.device))
        return trajectory(self.method, denoiser, self.paths, x, grids, None, seeds)

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
            for slots in made.chunks(BATCH, several=wanted.filtered):
                seeds = [
                    row_seed(seed, BATCH * attempt + k // len(set(slots)), slot)
                    for k, slot in enumerate(slots)
                ]
                drawn = self._run(seeds, wanted.given(slots, seeds, known), steps)
                made.take(slots, self.codec.decode(drawn, seeds))
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
        types = {c.name: c.type for c in self.codec.columns if c.learned and c.name in frame}
        if not types:
            names = ", ".join(c.name for c in self.codec.columns[:8])
            raise UsageError(f"none of the model's columns ({names} …) is in this table")
        found = {c.name: c.values for c in columns(frame[list(types)], types, learnable=False)}
        absent = {
            c.name: np.full(len(frame), np.nan) if c.of_numbers else np.full(len(frame), None, object)
            for c in self.codec.columns if c.learned and c.name not in types
        }  # fmt: skip
        seeds = [row_seed(seed, 0, row) for row in range(len(frame))]
        given = self._given({**found, **absent}, seeds)
        forbidden = self._missing()
        parts: list[dict[str, np.ndarray]] = []
        for start in range(0, len(frame), BATCH):
            some = slice(start, start + BATCH)
            known = {name: field[some] for name, field in given.items()}
            parts.append(self.codec.decode(self._run(seeds[some], known, steps, forbidden), seeds[some]))
            progress(min(start + BATCH, len(frame)), len(frame))
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
        for k, column in enumerate(
            self.codec.kinds
        ):  # a gap is free, though gaps were a category in training
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
        forbidden: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Rows of at most ``BATCH`` seeds, on the CPU; the batch is filled up with others that are thrown away."""
        extra = BATCH - len(seeds)
        whole = [*seeds, *[seeds[-1]] * extra]
        if given is not None:
            given = {name: torch.cat([field, field[-1:].expand(extra, -1)]) for name, field in given.items()}
        x = sample_last(self.trajectory(whole, given, steps, forbidden))
        assert isinstance(x, Mapping)
        return {name: field[: len(seeds)].cpu() for name, field in x.items()}

    def _rare(self) -> frozenset[str]:
        """Hashes of training rows that few others equal."""
        if self.bundle is None or self.bundle.facts.data is None:
            return frozenset()
        from collections import Counter

        from ornstein.data import manifest

        counts = Counter(row.sha256 for row in manifest.read(self.bundle.folder / MANIFEST))
        return frozenset(digest for digest, count in counts.items() if count <= SINGLE)
