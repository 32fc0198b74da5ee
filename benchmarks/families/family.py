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
from ornstein.train.optim import parted

WARM_UP, DECAY = 0.05, 0.5  # shares of a run over which the rate rises from zero, and falls to zero again
RATES = (3e-4, 1e-3, 3e-3, 1e-2)  # highest rates that ``--tune`` tries
MUON = 2  # times the rate is what Muon learns at, as in the recipes
CLIP = 1.0  # largest norm of a gradient


@dataclass(frozen=True)
class Settings:
    """What is tuned.

    Attributes:
        rate: Adam's highest learning rate. muon: whether Muon learns the hidden matrices, as in Ornstein's recipes.
        gamma: weight of the penalties of a GAN, which alone has any. latents: numbers that a VAE puts a picture into.
    """

    rate: float
    muon: bool = False
    gamma: float | None = None
    latents: int | None = None


PLAIN = tuple(Settings(rate, muon) for muon in (False, True) for rate in RATES)
"""What ``--tune`` tries of a family with nothing else to choose."""


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
    """Adam, or Muon and Adam, on some modules, with the schedule and the clipping that all families share.

    Args:
        modules: what is trained.
        settings: the highest rate, and whether Muon takes part.
        betas: of Adam.
    """

    def __init__(
        self, *modules: nn.Module, settings: Settings, betas: tuple[float, float] = (0.9, 0.98)
    ) -> None:
        self.parameters = [p for module in modules for p in module.parameters()]
        hidden, rest = parted(*modules) if settings.muon else ([], self.parameters)
        rate = settings.rate
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(rest, lr=rate, betas=betas, fused=True)
        ]
        if hidden:
            self.optimisers.append(
                torch.optim.Muon(hidden, lr=MUON * rate, weight_decay=0, adjust_lr_fn="match_rms_adamw")
            )
        self.rates = [optimiser.param_groups[0]["lr"] for optimiser in self.optimisers]

    def __call__(self, loss: Tensor, done: float) -> float:
        """Step down the loss and return it; only the gradients of these modules are computed.

        Raises:
            DivergedError: it or its gradient is not finite.
        """
        for parameter in self.parameters:
            parameter.grad = None
        # not autograd.grad: its gradients may lie in memory otherwise than the weights, which the fused Adam ignores
        loss.backward(inputs=self.parameters)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise DivergedError(f"loss {value:g}, gradient of norm {float(norm):g}")
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            optimiser.param_groups[0]["lr"] = rate * share_of_rate(done)
            optimiser.step()
        return value


def share_of_rate(done: float) -> float:
    """Share of the highest rate after a share `done` of the run: linear up, plateau, linear down to zero."""
    return min(1.0, (done + 1e-3) / WARM_UP, (1 - done) / DECAY)


def normal(random: np.random.Generator, *shape: int) -> Tensor:
    """Standard normal float32."""
    return torch.from_numpy(random.standard_normal(shape, dtype=np.float32))
