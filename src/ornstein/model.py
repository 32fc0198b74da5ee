"""A model: network, condition encoder and recipe, ready to generate; what ``ornstein.load`` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ornstein.condition.classes import ClassEncoder
from ornstein.condition.text import TextEncoder
from ornstein.condition.tokens import TokenEmbedder, Tokens
from ornstein.denoise.precondition import NetworkDenoiser
from ornstein.errors import UsageError
from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.net.patched import PatchedTransformer
from ornstein.process.noise import row_noise
from ornstein.recipes.recipe import Recipe, TextCondition
from ornstein.sample.loop import State, trajectory
from ornstein.sample.registry import find_method


class ConditionedNetwork(nn.Module):
    """The trained part of a model: condition embedder and backbone.

    Args:
        recipe: gives the shapes.
        states_width: width of the condition encoder's states.
    """

    def __init__(self, recipe: Recipe, states_width: int) -> None:
        super().__init__()
        self.embedder = TokenEmbedder(states_width, recipe.network.transformer.width)
        self.backbone = PatchedTransformer(recipe.network, recipe.codec.channels)

    def forward(self, z: Tensor, logsnr: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Map (B, *spatial, C) at logsnr (B,) with condition states (B, M, W) and mask (B, M) to the target."""
        return self.backbone(z, logsnr, *self.embedder(states, mask))


@dataclass(frozen=True)
class AutocastNetwork:
    """Calls a ``ConditionedNetwork`` on ``Tokens``, in bfloat16 products where asked."""

    network: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    dtype: torch.dtype

    def __call__(self, z: Tensor, logsnr: Tensor, condition: Tokens) -> Tensor:
        """As ``precondition.Network``."""
        with torch.autocast(z.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.network(z.float(), logsnr.float(), condition.states, condition.mask)


def condition_encoder(recipe: Recipe, folder: str | Path | None = None) -> TextEncoder | ClassEncoder:
    """The encoder a recipe's conditions need; `folder` holds the text encoder if it lies in no usual place."""
    if isinstance(recipe.condition, TextCondition):
        return TextEncoder.find(folder, recipe.condition.length)
    return ClassEncoder(recipe.condition.names)


def fast_dtype(device: torch.device | str = "cpu") -> torch.dtype:
    """bfloat16 where the machine multiplies it faster than float32, else float32."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


class Model:
    """A generator.

    Args:
        recipe: what it is made of.
        network: the trained weights.
        encoder: turns prompts into conditions.
        facts: what a bundle knows beyond the recipe (hashes, metrics); empty for a model in training.
        device: where the network runs.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: ConditionedNetwork,
        encoder: TextEncoder | ClassEncoder,
        facts: dict[str, Any] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.recipe, self.encoder, self.facts = recipe, encoder, facts or {}
        self.device = torch.device(device)
        self.dtype = fast_dtype(self.device)
        self.network = network.to(self.device)

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

    def denoiser(self, network: Callable[..., Tensor] | None = None) -> NetworkDenoiser:
        """The denoiser of this model; `network` stands in for its own weights (compiled, or averaged)."""
        call = AutocastNetwork(network or self.network, self.dtype)
        return NetworkDenoiser(call, self.recipe.process.path, self.recipe.process.target)

    def trajectory(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        steps: Sequence[int],
        guidance: Sequence[float],
        sampler: str,
        negatives: Sequence[str],
        size: int,
        network: nn.Module | None = None,
    ) -> Iterator[State]:
        """Yield the sampler's states for one batch: one prompt, seed, number of steps and scale a row."""
        recipe = self.recipe
        method, path = find_method(sampler), recipe.process.path
        if size % recipe.network.patch:
            raise UsageError(f"size {size} is not a multiple of {recipe.network.patch}, this model's patch")
        grids = [recipe.sampling.grid.times(count, path) for count in steps]
        start = torch.stack([path(grid[:1]).scale for grid in grids]).float()
        shape = torch.empty(len(prompts), size, size, recipe.codec.channels)
        noise = row_noise(seeds, 0, shape)
        assert isinstance(noise, Tensor)
        x = (noise * start[:, :, None, None]).to(self.device)
        condition = Guided(
            self.encoder.encode(prompts).to(self.device),
            self.encoder.encode(negatives).to(self.device),
            torch.tensor(guidance, device=self.device),
        )
        denoiser = ClassifierFree(self.denoiser(network), recipe.sampling.interval)
        yield from trajectory(method, denoiser, path, x, grids, condition, seeds)
