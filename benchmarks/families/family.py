"""What a family is: something that learns from batches, step by step, and then draws pictures."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ornstein.recipes.recipe import Recipe

WARM_UP, DECAY = 0.05, 0.5  # shares of a run over which the rate rises from zero, and falls to zero again
RATES = (1e-3, 2e-3)  # highest rates that ``--tune`` tries
CLIP = 1.0  # largest norm of a gradient


@dataclass(frozen=True)
class Settings:
    """What is tuned: Adam's highest learning rate and, for the GAN alone, the weight of its penalties."""

    rate: float
    gamma: float | None = None


class DivergedError(Exception):
    """A loss or a gradient is no longer finite; nothing was changed by it."""


class Family(ABC):
    """A kind of generative model.

    Args:
        recipe: data and shape.
        settings: learning rate and the like.
        seed: of the fresh weights.

    Attributes:
        generator: what draws pictures. Its running average is what is measured.
        helper: what only training needs (encoder, discriminator); None where nothing does.
    """

    name: ClassVar[str]
    batch: ClassVar[int] = 64
    """Pictures of a step."""
    chosen: ClassVar[Settings]
    """What the comparison trains with."""
    candidates: ClassVar[tuple[Settings, ...]]
    """What ``--tune`` tries."""
    generator: nn.Module
    helper: nn.Module | None = None

    def __init__(self, recipe: Recipe, settings: Settings, seed: int) -> None:
        self.recipe, self.settings = recipe, settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.build()

    @abstractmethod
    def build(self) -> None:
        """Make `generator` and `helper` with fresh weights, and their optimisers."""

    @abstractmethod
    def step(self, x: Tensor, random: np.random.Generator, done: float) -> dict[str, float]:
        """Learn from one batch.

        Args:
            x: pictures (B, H, W, C) of unit variance.
            random: the step's own randomness.
            done: share of the run before this step, from 0 to below 1.

        Returns:
            Losses by name.

        Raises:
            DivergedError: a loss or gradient that is not finite.
        """

    @abstractmethod
    def draw(self, seeds: Sequence[int]) -> Tensor:
        """Pictures (B, H, W, C), one a seed, of the scale of training."""


class Descent:
    """Adam on some modules, at the rate and with the clipping that all families share.

    Args:
        modules: what is trained.
        rate: the highest learning rate.
        betas: of Adam.
    """

    def __init__(self, *modules: nn.Module, rate: float, betas: tuple[float, float] = (0.9, 0.98)) -> None:
        self.rate = rate
        self.parameters = [parameter for module in modules for parameter in module.parameters()]
        self.optimiser = torch.optim.Adam(self.parameters, lr=rate, betas=betas, fused=True)

    def __call__(self, loss: Tensor, done: float) -> float:
        """Step down the loss and return it; only the gradients of these modules are computed.

        Raises:
            DivergedError: it or its gradient is not finite.
        """
        for parameter, gradient in zip(
            self.parameters, torch.autograd.grad(loss, self.parameters), strict=True
        ):
            parameter.grad = gradient
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise DivergedError(f"loss {value:g}, gradient of norm {float(norm):g}")
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * share_of_rate(done)
        self.optimiser.step()
        return value


def share_of_rate(done: float) -> float:
    """Share of the highest rate after a share `done` of the run: linear up, plateau, linear down to zero."""
    return min(1.0, (done + 1e-3) / WARM_UP, (1 - done) / DECAY)


def normal(random: np.random.Generator, *shape: int) -> Tensor:
    """Standard normal float32."""
    return torch.from_numpy(random.standard_normal(shape, dtype=np.float32))
