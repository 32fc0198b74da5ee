"""The training loop: a generator of reports. Every step is a pure function of (weights, seed, step)."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ornstein.condition.text import TextEncoder
from ornstein.condition.tokens import Tokens
from ornstein.data.augment import moved
from ornstein.data.draw import ConceptFirst, Uniform
from ornstein.data.manifest import refuse
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.model import Model
from ornstein.net.backbone import training_flops
from ornstein.net.patched import PatchedConfig
from ornstein.recipes.recipe import Recipe, Stage
from ornstein.rng import stream
from ornstein.train.checkpoint import (
    Progress,
    checkpoints,
    of_prefix,
    read_checkpoint,
    with_prefix,
    write_checkpoint,
)
from ornstein.train.ema import AveragedWeights
from ornstein.train.objective import denoising_loss, weight
from ornstein.train.optim import Optimiser
from ornstein.train.start import starting_model, whole_cost, whole_manifest

LEVELS = (0.25, 0.5, 0.75)  # flow times that split the reported loss into four noise levels


@dataclass(frozen=True)
class Report:
    """One step.

    Attributes:
        progress: after the step. loss: weighted mean. by_level: unweighted mean squared error of x in four ranges of
        noise, least noise first (NaN where none was drawn). norm: of the gradient. rate: share of the learning rate.
        stage: resolution, batch and noise levels.
    """

    progress: Progress
    loss: float
    by_level: tuple[float, ...]
    norm: float
    rate: float
    stage: Stage


@dataclass(frozen=True)
class Batch:
    """What one step trains on: clean samples, times, noise and conditions, rows first."""

    x: Tensor
    t: Tensor
    noise: Tensor
    condition: Tokens


class Trainer:
    """Trains a model on a pack.

    Args:
        recipe: resolved (see ``resolve``).
        pack: the data.
        run: folder of checkpoints; the newest one is resumed from.
        device: where to train.
        caption_progress: told (done, of) while captions are encoded.
    """

    def __init__(
        self,
        recipe: Recipe,
        pack: Pack,
        run: Path,
        device: torch.device | str = "cpu",
        encoder_folder: Path | None = None,
        caption_progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.recipe, self.pack, self.run_folder = recipe, pack, run
        self.model = Model.from_recipe(recipe, encoder_folder)
        self.start = starting_model(recipe)
        if self.start is not None:
            self.model.network.load_state_dict(self.start.network.state_dict())
        self.model.network.to(device)
        self.model.device = torch.device(device)
        section = recipe.data
        if section.draw == "concept-first":
            self.draw = ConceptFirst(pack, "train", caption_weights=section.captions)
        else:
            self.draw = Uniform(pack, "train", caption_weights=section.captions)
        self.conditions = self.model.encoder
        if isinstance(self.conditions, TextEncoder):
            used = len(section.captions)
            captions = [c for index in pack.indices("train") for c in pack.captions(int(index))[:used]]
            self.conditions = self.conditions.corpus(captions, run / "cache", caption_progress)
        self.optimiser = Optimiser(self.model.network, recipe.optimiser, recipe.training.samples)
        self.averages = [AveragedWeights(self.model.network, half_life) for half_life in recipe.training.ema]
        self.progress = Progress()
        self._network = (
            torch.compile(self.model.network, dynamic=False) if self._repays() else self.model.network
        )
        self._resume()

    def steps(self) -> Iterator[Report]:
        """Train to the end of the recipe, yielding a report after every step.

        Raises:
            OrnsteinError: the loss or the gradient stopped being finite; names the last good checkpoint.
        """
        while self.progress.seen < self.recipe.training.samples:
            started = time.perf_counter()
            stage = stage_at(self.recipe, self.progress.seen)
            count = min(stage.batch, self.recipe.training.samples - self.progress.seen)
            loss, by_level, norm = self._step(self._batch(stage, count))
            rate = self.optimiser.rate(self.progress.seen)
            self.optimiser.step(self.progress.seen)
            seen = self.progress.seen + count
            for average in self.averages:
                average.update(self.model.network, seen, count)
            self.progress = Progress(
                self.progress.step + 1,
                seen,
                self.progress.seconds + time.perf_counter() - started,
                self.progress.flops + count * flops_per_sample(self.model, stage.size),
            )
            yield Report(self.progress, loss, by_level, norm, rate, stage)

    def save(self) -> Path:
        """Write a checkpoint now."""
        tensors = with_prefix("network", self.model.network.state_dict())
        tensors |= with_prefix("optimiser", self.optimiser.state())
        for k, average in enumerate(self.averages):
            tensors |= with_prefix(f"ema{k}", average.tensors)
        return write_checkpoint(self.run_folder, self.recipe, self.progress, tensors)

    def write_bundle(self, folder: Path, counts: Mapping[str, int] | None = None) -> Path:
        """Write the averaged weights as a bundle, in place of one an earlier, shorter run left there.

        Args:
            folder: of it.
            counts: to tell besides what the training cost.
        """
        shutil.rmtree(folder, ignore_errors=True)
        start = self.start.bundle if self.start is not None else None
        return self.averaged_model().save(
            folder,
            manifest=whole_manifest(self.pack.rows(), start),
            training={**whole_cost(self.progress, start), **(counts or {})},
            dtype=self.recipe.training.stored,
        )

    def averaged_model(self, which: int = 0) -> Model:
        """A model that carries one of the running averages."""
        model = Model.from_recipe_with(self.recipe, self.model.encoder)
        model.network.load_state_dict(self.averages[which].tensors)
        return model

    def _batch(self, stage: Stage, count: int) -> Batch:
        seed, step = self.recipe.training.seed, self.progress.step
        indices, captions = self.draw(seed, step, count)
        x = self.recipe.codec.encode(self.pack.pictures(indices, stage.size))
        if most := self.recipe.data.augment:
            x = moved(x, stream("augment", seed, step), most, 2 * most, "edge")
        random = stream("train", seed, 0, step)  # the 0 is the rank, for the day there are several
        law = stage.times or self.recipe.objective.times
        t = law.draw(random, count, self.recipe.process.path)
        noise = torch.from_numpy(random.standard_normal(tuple(x.shape), dtype=np.float32))
        dropped = torch.from_numpy(random.random(count) < self.recipe.objective.dropout)
        condition = self.conditions.encode(captions).drop(dropped)
        device = self.model.device
        return Batch(x.to(device), t.to(device), noise.to(device), condition.to(device))

    def _step(self, batch: Batch) -> tuple[float, tuple[float, ...], float]:
        """Gradients of one batch in `accumulate` parts: (loss, loss by level, gradient norm)."""
        objective, path = self.recipe.objective, self.recipe.process.path
        denoiser = self.model.denoiser(self._network)
        losses: list[Tensor] = []
        for part in torch.arange(len(batch.t), device=batch.t.device).chunk(self.recipe.training.accumulate):
            loss = denoising_loss(
                denoiser, path, batch.x[part], batch.t[part], batch.noise[part], batch.condition.select(part),
                objective.weight, objective.cap,
            )  # fmt: skip
            (loss.sum() / len(batch.t)).backward()
            losses.append(loss.detach())
        norm = torch.nn.utils.clip_grad_norm_(self.model.network.parameters(), self.recipe.optimiser.clip)
        loss, size = torch.cat(losses), float(norm)
        if not (torch.isfinite(loss).all() and math.isfinite(size)):
            self._stop(loss, batch, size)
        return float(loss.mean()), self._by_level(loss, batch.t), size

    def _by_level(self, loss: Tensor, t: Tensor) -> tuple[float, ...]:
        c = self.recipe.process.path(t)
        plain = loss / weight(self.recipe.objective.weight, c.logsnr.float(), self.recipe.objective.cap)
        level = torch.bucketize(torch.sigmoid(-c.logsnr / 2), torch.tensor(LEVELS, device=t.device))
        return tuple(float(plain[level == k].mean()) for k in range(len(LEVELS) + 1))

    def _stop(self, loss: Tensor, batch: Batch, norm: float) -> None:
        """Write what is known of a diverged step and raise."""
        bad = (~torch.isfinite(loss)).nonzero()[:, 0].tolist()
        report = {
            "step": self.progress.step, "seen": self.progress.seen, "gradient_norm": str(norm),
            "bad_rows": bad, "times_of_bad_rows": [float(batch.t[k]) for k in bad],
        }  # fmt: skip
        file = self.run_folder / "diverged.json"
        file.write_text(json.dumps(report, indent=1))
        kept = checkpoints(self.run_folder)
        good = kept[-1].name if kept else "none"
        raise OrnsteinError(
            f"the loss is not finite at step {self.progress.step}; last good checkpoint: {good}; see {file}; "
            "try a lower optimiser.muon and optimiser.adamw"
        )

    def _resume(self) -> None:
        kept = checkpoints(self.run_folder)
        if not kept:
            return
        self.progress, tensors = read_checkpoint(kept[-1], self.recipe)
        self.model.network.load_state_dict(of_prefix("network", tensors))
        self.optimiser.load(of_prefix("optimiser", tensors))
        for k, average in enumerate(self.averages):
            average.load(of_prefix(f"ema{k}", tensors))

    def _repays(self) -> bool:
        """Whether the run is long enough for compilation (about a minute on two cores) to repay itself."""
        training = self.recipe.training
        total = sum(s.share for s in training.stages)
        work = sum(
            training.samples * s.share / total * flops_per_sample(self.model, s.size) for s in training.stages
        )
        return training.compile and (self.model.device.type == "cuda" or work > 1e14)


def resolve(recipe: Recipe, pack: Pack) -> Recipe:
    """Fill in what the data decides: the pixels' deviation, measured on up to 4,096 evenly spaced training items.

    Raises:
        OrnsteinError: a licence the recipe does not allow, other channels than the codec's, or nothing to train on.
    """
    refuse(pack.rows(), set(recipe.data.licences))
    train = pack.indices("train")
    if len(train) == 0:
        raise OrnsteinError(f"{pack.name} has no training items")
    if pack.channels != recipe.codec.channels:
        raise OrnsteinError(
            f"{pack.name} has {pack.channels} channels, the recipe's codec {recipe.codec.channels}"
        )
    if recipe.codec.deviation != 1.0:
        return recipe
    if recipe.training.start is not None:  # the start's weights know its scale
        return recipe.model_copy(update={"codec": Model.load(recipe.training.start).recipe.codec})
    chosen = train[np.linspace(0, len(train) - 1, min(4096, len(train))).astype(int)]
    parts = [part for part in np.array_split(chosen, 16) if len(part)]
    total = sum(np.square(pack.pictures(part) / 127.5 - 1.0).mean() * len(part) for part in parts)
    deviation = round(math.sqrt(total / len(chosen)), 4) or 1.0
    return recipe.model_copy(update={"codec": recipe.codec.model_copy(update={"deviation": deviation})})


def stage_at(recipe: Recipe, seen: int) -> Stage:
    """The stage a run is in after `seen` samples."""
    stages = recipe.training.stages
    ends = np.cumsum([stage.share for stage in stages])
    place = int(np.searchsorted(ends / ends[-1], seen / recipe.training.samples, side="right"))
    return stages[min(place, len(stages) - 1)]


def flops_per_sample(model: Model, size: int) -> float:
    """Forward and backward products of one picture: of a transformer 6 x parameters x tokens, the usual count, which
    leaves attention out; of a network whose weights are not used equally often, what torch counts.
    """
    network, states = model.recipe.network, model.encoder.length
    if isinstance(network, PatchedConfig):
        return 6.0 * (network.tokens(size) + states) * sum(p.numel() for p in model.network.parameters())
    return training_flops(network, model.recipe.codec.shape(size), states)
