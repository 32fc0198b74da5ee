"""A model of text (in the making)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ornstein.bundle import Bundle
from ornstein.denoise.product import FieldsDenoiser
from ornstein.net.sequence import SequenceNetwork
from ornstein.recipes.text import TextRecipe


class TextModel:
    def __init__(self, recipe: TextRecipe, network: SequenceNetwork, bundle: Bundle | None = None) -> None:
        self.recipe, self.network, self.bundle = recipe, network, bundle
        self.device = torch.device("cpu")
        self.training_dtype = torch.bfloat16

    @classmethod
    def from_recipe(cls, recipe: TextRecipe) -> TextModel:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.training.seed)
            network = recipe.network.build(recipe.codec.categories)
        return cls(recipe, network)

    def denoiser(self, network: Callable[..., Tensor] | None = None, dtype: torch.dtype = torch.float32):
        def told(z: Tensor, logsnr: Tensor, condition: Any) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
                return (network or self.network)(z, logsnr, condition)

        return FieldsDenoiser(told, self.recipe.process.path)
