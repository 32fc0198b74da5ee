"""The training loop: a generator of reports. Every step is a pure function of (weights, seed, step).

What is learned is a ``Task``; nothing here knows of what kind.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ornstein.errors import OrnsteinError
from ornstein.recipes.recipe import Stage, TrainedRecipe
from ornstein.train.checkpoint import (
    Progress,
    checkpoints,
    of_prefix,
    read_checkpoint,
    with_prefix,
    write_checkpoint,
)
from ornstein.train.ema import AveragedWeights
from ornstein.train.optim import Optimiser
from ornstein.train.start import whole_cost, whole_manifest
from ornstein.train.task import Batch, Losses, Task

LEVELS = (0.25, 0.5, 0.75)  # shares of noise that split the reported loss into four levels


@dataclass(frozen=True)
class Report:
    """One step.

    Attributes:
        progress: after the step. loss: weighted mean. by_level: unweighted mean in four ranges of noise, least noise
        first (NaN where none was drawn). norm: of the gradient. rate: share of the learning rate.
        stage: resolution, batch and noise levels.
    """

    progress: Progress
    loss: float
    by_level: tuple[float, ...]
    norm: float
    rate: float
    stage: Stage


class Trainer:
    """Trains the model of a task.

    Args:
        task: what is learned.
        run: folder of checkpoints; the newest one is resumed from.
    """

    def __init__(self, task: Task, run: Path) -> None:
        self.task, self.recipe, self.run_folder = task, task.recipe, run
        self.optimiser = Optimiser(self.model.network, self.recipe.optimiser, self.recipe.training.samples)
        self.averages = [
            AveragedWeights(self.model.network, half_life) for half_life in self.recipe.training.ema
        ]
        self.progress = Progress()
        self._network = (
            torch.compile(self.model.network, dynamic=False) if self._repays() else self.model.network
        )
        self._resume()

    @property
    def model(self) -> Any:
        """The one in training."""
        return self.task.model

    def steps(self) -> Iterator[Report]:
        """Train to the end of the recipe, yielding a report after every step.

        Raises:
            OrnsteinError: the loss or the gradient stopped being finite; names the last good checkpoint.
        """
        while self.progress.seen < self.recipe.training.samples:
            started = time.perf_counter()
            stage = stage_at(self.recipe, self.progress.seen)
            count = min(stage.batch, self.recipe.training.samples - self.progress.seen)
            loss, by_level, norm = self._step(self.task.batch(stage, self.progress.step, count))
            rate = self.optimiser.rate(self.progress.seen)
            self.optimiser.step(self.progress.seen)
            seen = self.progress.seen + count
            for average in self.averages:
                average.update(self.model.network, seen, count)
            self.progress = Progress(
                self.progress.step + 1,
                seen,
                self.progress.seconds + time.perf_counter() - started,
                self.progress.flops + count * self.task.flops(stage),
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
        start = self.task.start
        return self.averaged_model().save(
            folder,
            manifest=whole_manifest(self.task.rows(), start),
            training={**whole_cost(self.progress, start), **(counts or {})},
            dtype=self.recipe.training.stored,
        )

    def averaged_model(self, which: int = 0) -> Any:
        """A model that carries one of the running averages."""
        return self.task.with_weights(self.averages[which].tensors)

    def _step(self, batch: Batch) -> tuple[float, tuple[float, ...], float]:
        """Gradients of one batch in `accumulate` parts: (loss, loss by level, gradient norm)."""
        parts: list[Losses] = []
        for part in torch.arange(len(batch.t), device=batch.t.device).chunk(self.recipe.training.accumulate):
            losses = self.task.losses(self._network, batch.select(part))
            (losses.weighted.sum() / len(batch.t)).backward()
            parts.append(losses)
        norm = torch.nn.utils.clip_grad_norm_(self.model.network.parameters(), self.recipe.optimiser.clip)
        loss, size = torch.cat([part.weighted.detach() for part in parts]), float(norm)
        if not (torch.isfinite(loss).all() and math.isfinite(size)):
            self._stop(loss, batch, size)
        return float(loss.mean()), _by_level(parts), size

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
        work = sum(training.samples * s.share / total * self.task.flops(s) for s in training.stages)
        return training.compile and (self.model.device.type == "cuda" or work > 1e14)


def _by_level(parts: list[Losses]) -> tuple[float, ...]:
    plain, level = (
        torch.cat([getattr(part, name).detach() for part in parts]) for name in ("plain", "level")
    )
    place = torch.bucketize(level, torch.tensor(LEVELS, device=level.device))
    return tuple(float(plain[place == k].mean()) for k in range(len(LEVELS) + 1))


def stage_at(recipe: TrainedRecipe, seen: int) -> Stage:
    """The stage a run is in after `seen` samples."""
    stages = recipe.training.stages
    ends = np.cumsum([stage.share for stage in stages])
    place = int(np.searchsorted(ends / ends[-1], seen / recipe.training.samples, side="right"))
    return stages[min(place, len(stages) - 1)]
