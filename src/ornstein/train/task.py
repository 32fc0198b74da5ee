"""What a run learns: data, model and loss belong together; the trainer knows steps, averages and checkpoints.

A kind of data is learned by one ``Task``. ``pictures.PictureTask`` is the first; each further one is a file beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ornstein.bundle import Bundle, DtypeName
from ornstein.data.manifest import Row
from ornstein.recipes.recipe import Stage, TrainedRecipe

Sampled: TypeAlias = np.ndarray | str | None
"""What a model can show of itself on the way: a picture (H, W, 3) uint8, a text, or nothing."""


@dataclass(frozen=True)
class Losses:
    """Of the examples of a batch, all float32.

    Attributes:
        weighted: what is minimised. plain: the same without its weight, for people. level: share of noise, 0 to 1.
    """

    weighted: Float[Tensor, " rows"]
    plain: Float[Tensor, " rows"]
    level: Float[Tensor, " rows"]


@runtime_checkable
class Batch(Protocol):
    """What one step trains on, rows first.

    Attributes:
        t: when each row stands.
    """

    @property
    def t(self) -> Tensor: ...

    def select(self, rows: Int[Tensor, " chosen"]) -> Self:
        """Pick rows."""
        ...


@runtime_checkable
class Trained(Protocol):
    """A model that is trained, or was: ``Model`` and its like.

    Attributes:
        network: the weights, and as buffers whatever else is learned. device: where they are.
    """

    @property
    def network(self) -> nn.Module: ...
    @property
    def device(self) -> torch.device: ...

    def save(
        self,
        folder: str | Path,
        *,
        manifest: Sequence[Row] | str | Path | None = None,
        metrics: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        dtype: DtypeName | None = None,
    ) -> Path:
        """Write a bundle, whole or not at all."""
        ...


@runtime_checkable
class Task(Protocol):
    """What is learned.

    Attributes:
        model: with the weights that are trained, on their device.
        start: the bundle that the run starts from; None for fresh weights.
    """

    @property
    def recipe(self) -> TrainedRecipe: ...
    @property
    def model(self) -> Trained: ...
    @property
    def start(self) -> Bundle | None: ...

    def batch(self, stage: Stage, step: int, count: int) -> Batch:
        """What step `step` trains on: `count` rows on the model's device, a pure function of the recipe's seed."""
        ...

    def losses(self, network: Callable[..., Any], batch: Any) -> Losses:
        """Of a batch, or of a part of one; `network` stands for the model's (compiled)."""
        ...

    def flops(self, stage: Stage) -> float:
        """Products of training on one row, forward and backward."""
        ...

    def with_weights(self, weights: Mapping[str, Tensor]) -> Trained:
        """A model beside the one in training, with other weights."""
        ...

    def rows(self) -> Iterable[Row]:
        """Where the data came from: one row an item, trained on or held out."""
        ...

    def sample(self, model: Any, stage: Stage) -> Sampled:
        """What a model of ``with_weights`` makes by now."""
        ...
