"""What every model of fields is: tokens of a text, columns of a table, and whatever else is no picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from ornstein import saving
from ornstein.assembly import InferenceCopies, fast_dtype, network_of
from ornstein.bundle import Bundle, DtypeName
from ornstein.data.manifest import Row
from ornstein.denoise.posterior import Denoiser
from ornstein.denoise.product import FieldsDenoiser
from ornstein.process.fields import Sample, Time, fieldwise
from ornstein.process.gaussian import Paths
from ornstein.recipes.recipe import TrainedRecipe
from ornstein.sample.loop import State, trajectory
from ornstein.sample.stepper import Method


class FieldsModel:
    """Network and recipe.

    A kind of data is a subclass: it says what its network is and how its fields are destroyed, and speaks its users'
    language. Everything a user may ask of it is a method there.

    Args:
        recipe: what it is made of.
        network: the weights, and as buffers whatever else was learned.
        bundle: where it was loaded from or saved to; None for a model in training.
        device: where the network runs.
    """

    recipe: TrainedRecipe

    def __init__(
        self,
        recipe: Any,
        network: nn.Module,
        bundle: Bundle | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.recipe, self.bundle = recipe, bundle
        self.device = torch.device(device)
        self.dtype = fast_dtype(self.device)
        self.network = network.to(self.device)
        self._copies = InferenceCopies()

    @staticmethod
    def build(recipe: Any) -> nn.Module:
        """The network of a recipe, with fresh weights."""
        raise NotImplementedError

    @property
    def paths(self) -> Paths:
        """How each field is destroyed."""
        raise NotImplementedError

    @classmethod
    def from_recipe(cls, recipe: TrainedRecipe) -> Self:
        """A model with fresh weights, drawn from the recipe's seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.training.seed)
            return cls(recipe, cls.build(recipe))

    @classmethod
    def of(cls, bundle: Bundle, device: torch.device | str = "cpu") -> Self:
        """The model of a bundle.

        Raises:
            OrnsteinError: weights that are not finite or are not those of its recipe.
        """
        recipe = bundle.facts.recipe
        network = network_of(bundle, bundle.weights(), lambda: cls.build(recipe))
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
        """As ``Model.save``."""
        self.bundle = saving.save_model(
            Path(folder), self.recipe, self.network.state_dict(), self.bundle, encoder=None,
            manifest=manifest, metrics=metrics, training=training, dtype=dtype,
        )  # fmt: skip
        return self.bundle.folder

    def denoiser(
        self, network: Callable[..., Sample] | None = None, dtype: torch.dtype | None = None
    ) -> Denoiser:
        """The denoiser of this model; `network` stands in for its own weights (compiled, or averaged).

        Where no gradients are wanted when this is called, a copy of the weights made for inference is run.
        """
        dtype = dtype or self.dtype
        if network is None:
            network = self.network if torch.is_grad_enabled() else self._copies.of(self.network, dtype)
        return FieldsDenoiser(AutocastFields(network, dtype), self.paths)

    @torch.inference_mode()
    def trajectory(
        self,
        method: Method,
        x: Sample,
        grids: Any,
        seeds: Sequence[int],
        denoiser: Denoiser | None = None,
    ) -> Iterator[State]:
        """Yield the sampler's states; everything as of ``sample.loop.trajectory``.

        Args:
            method: how to step.
            x: at the first times: noise and hidden elements, and what is given as it is.
            grids: falling times of each row; elements that are given stand at 0.
            seeds: one a row.
            denoiser: in the place of the model's own.
        """
        asked = self.denoiser() if denoiser is None else denoiser
        yield from trajectory(method, asked, self.paths, x, grids, None, seeds)


@dataclass(frozen=True)
class AutocastFields:
    """Calls a network of fields, in bfloat16 products where asked."""

    network: Callable[..., Sample]
    dtype: torch.dtype

    def __call__(self, z: Sample, logsnr: Time, condition: Any) -> Sample:
        """As ``denoise.product.FieldsNetwork``."""
        device = next(iter(z.values())).device if isinstance(z, Mapping) else z.device
        with torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.network(fieldwise(_float32, z), fieldwise(_float32, logsnr), condition)


def _float32(x: Tensor) -> Tensor:
    """Categories stay what they are."""
    return x.float() if x.is_floating_point() else x
