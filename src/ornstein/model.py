"""A model: network, condition encoder and recipe, ready to generate; what ``ornstein.load`` returns."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ornstein import saving
from ornstein.assembly import (
    ConditionedNetwork,
    CountingNetwork,
    condition_encoder,
    network_of,
)
from ornstein.bundle import DTYPES, Bundle, DtypeName
from ornstein.condition.classes import ClassEncoder
from ornstein.condition.text import WEIGHTS_SHA256, TextEncoder
from ornstein.control.source import Source, kept
from ornstein.denoise.bucketed import Bucketed
from ornstein.denoise.precondition import Network
from ornstein.drawing import Imprint, Previews, Spent
from ornstein.errors import OrnsteinError, UsageError
from ornstein.generator import Generator
from ornstein.guide.rules import RuleSetting
from ornstein.guide.schedules import ScheduleSetting
from ornstein.limits import LARGEST, SMALLEST, refuse, refuse_others, refuse_sources
from ornstein.output import Output
from ornstein.prompts import parts_of, said
from ornstein.recipes.recipe import Recipe, TextCondition
from ornstein.record import LATER, Computation, ModelName, Platform, Record, sharing
from ornstein.request import Progress, Request, batches, fitting, requests

if TYPE_CHECKING:
    from ornstein.data.manifest import Row


class Model(Generator):
    """A generator.

    Args:
        recipe: what it is made of.
        network: the trained weights.
        encoder: turns prompts into conditions.
        bundle: where it was loaded from or saved to; None for a model in training.
        device: where the network runs.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: ConditionedNetwork,
        encoder: TextEncoder | ClassEncoder,
        bundle: Bundle | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(recipe, network, encoder, device)
        self.bundle = bundle

    @classmethod
    def from_recipe(cls, recipe: Recipe, encoder_folder: str | Path | None = None) -> Model:
        """A model with fresh weights, drawn from the recipe's seed."""
        return cls.from_recipe_with(recipe, condition_encoder(recipe, encoder_folder))

    @classmethod
    def from_recipe_with(cls, recipe: Recipe, encoder: TextEncoder | ClassEncoder) -> Model:
        """As ``from_recipe``, with an encoder that is already there."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.training.seed)
            network = ConditionedNetwork(recipe, encoder.width)
        return cls(recipe, network, encoder)

    @classmethod
    def load(
        cls,
        name_or_folder: str | Path,
        encoder_folder: str | Path | None = None,
        device: torch.device | str = "cpu",
    ) -> Model:
        """A model from a bundle: a shipped one, one of the user's by name, or a folder.

        Raises:
            UsageError: a bundle that makes no pictures.
            OrnsteinError: no such bundle, or one that is damaged: altered, incomplete, of a newer format, with weights
                that are not finite or are not those of its recipe.
        """
        from ornstein.loading import load

        model = load(name_or_folder, device, encoder_folder)
        if not isinstance(model, Model):
            raise UsageError(f"{model.recipe.name} makes {model.recipe.items}, no pictures")
        return model

    @classmethod
    def of(
        cls, bundle: Bundle, device: torch.device | str = "cpu", encoder_folder: str | Path | None = None
    ) -> Model:
        """The model of a bundle that is open.

        Raises:
            OrnsteinError: weights that are not finite or are not those of its recipe.
        """
        facts, tensors = bundle.facts, bundle.weights()
        assert isinstance(facts.recipe, Recipe)
        if facts.encoder not in (None, WEIGHTS_SHA256):
            raise OrnsteinError(f"{bundle.folder} needs another text encoder (sha256 {facts.encoder[:12]}…)")
        recipe, encoder = facts.recipe, condition_encoder(facts.recipe, encoder_folder)
        network = network_of(bundle, tensors, lambda: ConditionedNetwork(recipe, encoder.width))
        return cls(recipe, network.eval(), encoder, bundle, device)

    def save(
        self,
        folder: str | Path,
        *,
        manifest: Sequence[Row] | str | Path | None = None,
        metrics: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        dtype: DtypeName | None = None,
    ) -> Path:
        """Write a bundle, whole or not at all. What is not given is taken over from the bundle this model came from.

        Args:
            folder: must not exist.
            manifest: the training pictures' rows, or a manifest file.
            metrics: what was measured, plain values.
            training: what it cost: samples ``seen``, ``seconds``, ``flops``.
            dtype: of the stored weights; bfloat16 halves the file. float32 for a model that has no bundle.

        Raises:
            UsageError: the folder exists. OrnsteinError: weights that are not finite, or a disk that refuses.
        """
        self.bundle = saving.save_model(
            Path(folder), self.recipe, self.network.state_dict(), self.bundle,
            encoder=WEIGHTS_SHA256 if isinstance(self.recipe.condition, TextCondition) else None,
            manifest=manifest, metrics=metrics, training=training, dtype=dtype,
        )  # fmt: skip
        return self.bundle.folder

    def generate(
        self,
        prompts: str | Sequence[str],
        seeds: int | Sequence[int] | None = None,
        n: int = 1,
        *,
        steps: int | Sequence[int] | None = None,
        guidance: float | Sequence[float] | None = None,
        sampler: str | Sequence[str] | None = None,
        negative: str | Sequence[str] = "",
        size: int | Sequence[int] | None = None,
        compose: bool | Sequence[bool] = False,
        rule: str | RuleSetting | Sequence[str | RuleSetting] | None = None,
        schedule: str | ScheduleSetting | Sequence[str | ScheduleSetting] | None = None,
        reuse: int | Sequence[int] = 1,
        imprint: Imprint | None = None,
        progress: Progress = lambda done, of: None,
    ) -> list[Output]:
        """Make `n` pictures of each prompt, in the order of the prompts.

        Args:
            prompts: what to draw.
            seeds: None draws one for each picture; s gives each prompt's pictures s, s + 1, …; or one for each.
            n: pictures of each prompt.
            steps: of the sampler. As everything below: one for all, for each prompt, or for each picture, and the
                recipe's where None.
            guidance: how strongly the prompt steers; 1 is off.
            sampler: name of a method, or "fitted" for one that was fitted to this network and so many steps.
            negative: what to move away from.
            size: side in pixels.
            compose: read prompts as composed ones: parts (AND, NOT), weights, turns (``condition/syntax.py``).
            rule: of guidance, by its values or as text: "rescaled:share=0.5".
            schedule: of the scale over time, likewise: "linear".
            reuse: the network's deep blocks run at every so many evaluations, and are foreseen in between; 1 is off.
            imprint: changes the noise that pictures start from.
            progress: told (steps done, steps in all).

        Raises:
            UsageError: an argument out of range, before anything runs.
        """
        asked = requests(
            prompts, n, seeds, negative, self.recipe.sampling,
            steps=steps, guidance=guidance, sampler=sampler, size=size, compose=compose, rule=rule, schedule=schedule,
            reuse=reuse,
        )  # fmt: skip
        return self.make(asked, imprint=imprint, progress=progress)

    def make(
        self,
        asked: Sequence[Request],
        *,
        sources: Sequence[Source | None] = (),
        imprint: Imprint | None = None,
        progress: Progress = lambda done, of: None,
        previews: Previews | None = None,
    ) -> list[Output]:
        """The pictures of requests that are spelled out, in their order; ``generate`` spells them out.

        Args:
            asked: what to make.
            sources: what each picture is made from, None for noise alone; () for none at all.
            imprint: changes the noise that pictures start from.
            progress: told (steps done, steps in all). What it raises stops the work.
            previews: shown on the way.

        Raises:
            UsageError: what this model cannot do, before anything runs.
        """
        given = list(sources) or [None] * len(asked)
        self.check(asked, given)
        outputs: dict[int, Output] = {}
        taken = [_taken(request, source) for request, source in zip(asked, given, strict=True)]
        plan = batches(asked, self.rows, taken if any(given) else ())
        done, total = 0, sum(taken[batch[0]] for batch in plan)
        for batch in plan:
            started, evaluated = time.perf_counter(), list[int]()
            rows = [asked[index] for index in batch]
            pictures = self._run(
                rows, self.dtype, imprint, [given[index] for index in batch],
                lambda step, offset=done: progress(offset + step, total),
                previews and previews.of(batch), evaluated.append,
            )  # fmt: skip
            share = (time.perf_counter() - started) / len(batch)
            spent = Spent(evaluations=sum(evaluated) // len(batch), computed=share)
            for row, (index, picture) in enumerate(zip(batch, pictures, strict=True)):
                outputs[index] = Output(picture, self.record(rows, row, given[index]), spent)
            done += taken[batch[0]]
        return [outputs[index] for index in range(len(asked))]

    def check(self, asked: Sequence[Request], sources: Sequence[Source | None]) -> None:
        """Raise UsageError for what this model cannot do, and encode what it is told; nothing is made."""
        self._refuse(asked)
        self.refuse_sources(asked, sources)

    def refuse_sources(self, asked: Sequence[Request], sources: Sequence[Source | None]) -> None:
        """Raise UsageError for sources that requests cannot start from."""
        refuse_sources(asked, sources, self.recipe.codec.channels)

    def replay(self, record: Record, imprint: Imprint | None = None, source: Source | None = None) -> Output:
        """Make a picture again from its record: the same numbers on the same machine and build.

        Args:
            record: of the picture.
            imprint: that changed its noise then.
            source: that it was made from.

        Raises:
            OrnsteinError: it was made by another model, or from another source.
        """
        refuse_others(record, self.bundle and self.bundle.fingerprint, source)
        self._refuse([record.request])
        computation = record.computation
        rows = [record.request] * computation.rows  # neighbours never matter, only how many there are
        with sharing(computation.threads):
            pictures = self._run(
                rows, DTYPES[computation.dtype], imprint, [source] * len(rows), bucket=computation.bucket
            )
            made = self.record(rows, computation.row, source, computation.dtype, computation.bucket)
        same = {name: getattr(record, name) for name in ("form", *LATER)}
        return Output(pictures[computation.row], made.model_copy(update=same))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the pictures it was trained on."""
        return tuple(sorted({stage.size for stage in self.recipe.training.stages}))

    @property
    def limits(self) -> tuple[int, int]:
        """Sides of the smallest and of the largest picture it makes."""
        multiple = self.recipe.network.multiple
        return min((SMALLEST, *self.sizes)), LARGEST // multiple * multiple

    def rows(self, size: int) -> Sequence[int]:
        """How many pictures of `size` a batch may hold, most first: by the bytes that one takes."""
        return fitting(self.device.type, self.recipe.network.memory(size, self.encoder.length))

    def _refuse(self, asked: Iterable[Request]) -> None:
        """Raise UsageError for what this model cannot do, before anything runs; warn of what it was not trained for."""
        refuse(asked, self.recipe, self.sizes, self.limits)
        if self.bundle is not None and (forgotten := self.bundle.facts.forgotten):
            count = sum(one.pictures for one in forgotten)
            warnings.warn(
                f"this model learned from {count:,} pictures that were to be forgotten: train it again",
                stacklevel=4,
            )
        told = dict.fromkeys(
            phrase
            for request in asked
            for part in parts_of(request.asks)
            for phrase in said(part, request.steps)
        )
        self.encoder.encode([*told, *{request.negative for request in asked}])

    @torch.inference_mode()
    def _run(
        self,
        rows: Sequence[Request],
        dtype: torch.dtype,
        imprint: Imprint | None = None,
        sources: Sequence[Source | None] = (),
        progress: Callable[[int], None] = lambda step: None,
        previews: Previews | None = None,
        tell: Callable[[int], None] = lambda rows: None,
        bucket: int | None = None,
    ) -> np.ndarray:
        """Pictures of one batch of like requests, uint8 (rows, H, W, C) premultiplied."""

        def between(network: Network) -> Network:
            return CountingNetwork(Bucketed(network, (bucket,)) if bucket else network, tell)

        states = self.trajectory(
            [row.asks for row in rows],
            [row.seed for row in rows],
            steps=[row.steps for row in rows],
            guidance=[row.guidance for row in rows],
            sampler=rows[0].sampler,
            negatives=[row.negative for row in rows],
            size=rows[0].size,
            rule=rows[0].rule,
            schedule=rows[0].schedule,
            reuse=rows[0].reuse,
            imprint=imprint,
            sources=sources,
            dtype=dtype,
            between=between,
        )
        x, shown = None, previews.after(_taken(rows[0], sources[0] if sources else None)) if previews else ()
        for state in states:
            progress(state.step)
            x = state.x
            if previews and state.step in shown:
                assert isinstance(state.mean, Tensor)
                guesses = kept(self.decode(state.mean, dtype), sources)
                for row, guess in enumerate(guesses):
                    previews.show(row, shown.index(state.step), guess)
        assert isinstance(x, Tensor)
        return kept(self.decode(x, dtype), sources)

    def record(
        self,
        rows: Sequence[Request],
        row: int,
        source: Source | None = None,
        dtype: DtypeName | None = None,
        bucket: int | None = None,
        threads: int | None = None,
    ) -> Record:
        """Of a picture that is made now: row `row` of a batch, or alone but for what fills its `bucket`; by as many
        threads as this one uses, if None.
        """
        return Record(
            request=rows[row],
            model=ModelName(name=self.recipe.name, fingerprint=self.bundle and self.bundle.fingerprint),
            computation=Computation(
                rows=len(rows),
                row=row,
                dtype=dtype or ("bfloat16" if self.dtype == torch.bfloat16 else "float32"),
                threads=threads or torch.get_num_threads(),
                bucket=bucket,
            ),
            platform=Platform.here(self.device),
            source=source and source.brought,
        )


def _taken(request: Request, source: Source | None) -> int:
    """Steps that are taken."""
    return request.steps - (source.skipped(request.steps) if source else 0)
