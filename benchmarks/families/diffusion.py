"""The diffusion model: Ornstein's own path, objective and sampler, without conditions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ornstein.denoise.precondition import NetworkDenoiser
from ornstein.process.noise import row_noise
from ornstein.sample.loop import sample
from ornstein.sample.registry import find_method
from ornstein.train.loop import stage_at
from ornstein.train.objective import denoising_loss

from .family import PLAIN, Descent, Family, Settings, normal
from .networks import autocast, new_network, null_condition, picture_shape


class Diffusion(Family):
    """Learns to denoise at every level; draws in some evaluations of one network."""

    name = "diffusion"
    chosen = Settings(rate=3e-3, muon=True)
    candidates = PLAIN

    def build(self) -> None:
        self.generator = new_network(self.recipe)
        self.descent = Descent(self.generator, settings=self.settings)
        process = self.recipe.process
        self.denoiser = NetworkDenoiser(autocast(self.generator), process.path, process.target)

    def step(self, x: Tensor, random: np.random.Generator, done: float) -> dict[str, float]:
        objective, path = self.recipe.objective, self.recipe.process.path
        law = stage_at(self.recipe, int(done * self.recipe.training.samples)).times or objective.times
        t = law.draw(random, len(x), path)
        losses = denoising_loss(
            self.denoiser, path, x, t, normal(random, *x.shape), null_condition(len(x)), objective.weight,
            objective.cap,
        )  # fmt: skip
        return {"loss": self.descent(losses.mean(), done)}

    @torch.inference_mode()
    def draw(self, seeds: Sequence[int], evaluations: int | None = None) -> Tensor:
        """As in ``Family``, in so many evaluations of the network (the recipe's where None)."""
        sampling, path = self.recipe.sampling, self.recipe.process.path
        noise = row_noise(seeds, 0, torch.empty(len(seeds), *picture_shape(self.recipe)))
        grid = sampling.grid.times(evaluations or sampling.steps, path)
        method = find_method(sampling.sampler)
        made = sample(method, self.denoiser, path, noise, grid, null_condition(len(seeds)), seeds)
        assert isinstance(made, Tensor)
        return made
