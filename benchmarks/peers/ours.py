"""Ornstein in the contest: its fashion recipe and its own training loop, run by the clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ornstein.config import override
from ornstein.data.pack import Pack
from ornstein.recipes.fashion import fashion
from ornstein.recipes.recipe import ClassesCondition, Recipe
from ornstein.request import BATCHES
from ornstein.sample.loop import sample_last
from ornstein.train.loop import Trainer
from ornstein.train.pictures import PictureTask, resolve

ENDLESS = 10**9  # samples: the clock ends the run


def recipe_of(unconditional: bool) -> Recipe:
    """The fashion recipe without an end; without classes every row is trained with the null condition."""
    recipe = fashion()
    objective, sampling = recipe.objective, recipe.sampling
    if unconditional:
        objective = objective.model_copy(update={"dropout": math.nextafter(1, 0)})  # no draw lies above it
        sampling = sampling.model_copy(update={"guidance": 1.0})
    training = recipe.training.model_copy(update={"samples": ENDLESS, "prompts": ()})
    return recipe.model_copy(update={"objective": objective, "sampling": sampling, "training": training})


class Ornstein:
    """The recipe in training, as a ``contest.Contestant``.

    Compilation, which the recipe asks for, counts as training time.

    Args:
        pack: Fashion-MNIST.
        folder: for the trainer's files.
        unconditional: leave the classes out, as the peers do.
        settings: what else of the recipe is changed.
    """

    def __init__(self, pack: Pack, folder: Path, unconditional: bool, settings: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._unconditional = unconditional
        self._recipe = recipe = resolve(override(recipe_of(unconditional), settings), pack)
        self._trainer = Trainer(PictureTask(recipe, pack, folder / "cache"), folder)
        self._steps = self._trainer.steps()
        sampling = self._recipe.sampling
        self.settings: dict[str, Any] = {
            "network": ", ".join(["recipe fashion", *settings]), "batch": self._trainer.recipe.training.stages[0].batch,
            "parameters": sum(p.numel() for p in self._trainer.model.network.parameters()),
            "classes": not unconditional, "dtype": str(self._trainer.model.dtype), "guidance": sampling.guidance,
        }  # fmt: skip

    def step(self, share: float) -> None:
        """As ``Contestant``. Decay and stages need the run's length in samples: what the clock will allow."""
        if share > 0:
            seen, recipe = self._trainer.progress.seen, self._trainer.recipe
            samples = max(round(seen / share), seen + recipe.training.stages[-1].batch)  # whole batches
            self._trainer.recipe = override(recipe, [f"training.samples={samples}"])
            self._trainer.optimiser.samples = samples
        next(self._steps)

    def sample(self, count: int, seed: int) -> tuple[np.ndarray, str]:
        """As ``Contestant``: the recipe's own defaults, on the averaged weights."""
        model, sampling = self._trainer.averaged_model(), self._recipe.sampling
        assert isinstance(model.recipe.condition, ClassesCondition)
        names = ("",) if self._unconditional else model.recipe.condition.names
        made: list[np.ndarray] = []
        for start in range(0, count, BATCHES["cpu"][0]):
            seeds = range(seed + start, seed + min(start + BATCHES["cpu"][0], count))
            rows = len(seeds)
            states = model.trajectory(
                [names[k % len(names)] for k in seeds], list(seeds), steps=[sampling.steps] * rows,
                guidance=[sampling.guidance] * rows, sampler=sampling.sampler, negatives=[""] * rows,
                size=sampling.size,
            )  # fmt: skip
            with torch.inference_mode():
                made.append(model.recipe.codec.decode(_tensor(sample_last(states))))
        return np.concatenate(made), f"{sampling.sampler}, {sampling.steps} steps"


def _tensor(x: Any) -> torch.Tensor:
    assert isinstance(x, torch.Tensor)
    return x
