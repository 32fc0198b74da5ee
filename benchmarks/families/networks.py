"""The network all families are made of: one shape, no condition, asked either at a noise level or just once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ornstein.assembly import AutocastNetwork, ConditionedNetwork, fast_dtype
from ornstein.codec.pixels import PixelCodec
from ornstein.condition.tokens import Tokens
from ornstein.data.pack import Pack
from ornstein.net.blocks import Block
from ornstein.net.dit import TransformerConfig
from ornstein.net.patched import PatchedConfig, PatchedTransformer
from ornstein.recipes.fashion import fashion
from ornstein.recipes.recipe import (
    ClassesCondition,
    DataSection,
    Recipe,
    TrainingSection,
)
from ornstein.train.pictures import resolve

SHAPE = PatchedConfig(transformer=TransformerConfig(width=128, depth=4, heads=4), patch=4, bottleneck=32)
STATES = 1  # width of condition states; none is ever given, so the null token is all the network sees


def recipe_of(pack: Pack, shape: PatchedConfig = SHAPE) -> Recipe:
    """What the families share: data, its scale, the network's shape; objective, stages and sampler, which are
    the diffusion's, are those of the recipe `fashion`.

    Raises:
        OrnsteinError: see ``ornstein.train.pictures.resolve``; UsageError where the patch does not divide the pictures.
    """
    base = fashion()
    stages = tuple(stage.model_copy(update={"size": pack.size}) for stage in base.training.stages)
    recipe = Recipe(
        name="families",
        data=DataSection(pack=str(pack.folder)),
        condition=ClassesCondition(names=()),
        codec=PixelCodec(channels=1 if pack.channels == 1 else 4),
        network=shape,
        objective=base.objective,
        training=TrainingSection(stages=stages),
        sampling=base.sampling.model_copy(update={"size": pack.size}),
    )
    return resolve(recipe, pack)


def picture_shape(recipe: Recipe) -> tuple[int, int, int]:
    """(H, W, C) of a picture."""
    return recipe.sampling.size, recipe.sampling.size, recipe.codec.channels


def new_network(recipe: Recipe) -> ConditionedNetwork:
    """A network with fresh weights from torch's global generator."""
    return ConditionedNetwork(recipe, STATES)


def null_condition(rows: int) -> Tokens:
    """The null condition of every row."""
    return Tokens(torch.zeros(rows, 1, STATES), torch.zeros(rows, 1, dtype=torch.bool))


def autocast(network: nn.Module) -> AutocastNetwork:
    """The network in the products' fastest dtype, as the product itself trains and samples."""
    return AutocastNetwork(network, fast_dtype())


def ask_once(network: nn.Module, z: Tensor) -> Tensor:
    """Map z (B, H, W, C) to float32 of its shape; the noise level, which means nothing here, is always 0."""
    return autocast(network)(z, z.new_zeros(len(z)), null_condition(len(z))).float()


def open_gates(network: ConditionedNetwork, gate: float) -> None:
    """Let head and blocks of a new network act from the first step on.

    Both start at zero, and Adam moves a weight by at most its learning rate a step. That is good for a regression of
    thousands of steps, but a generator that maps all noise to one picture gives its discriminator nothing to compare,
    and the few hundred steps that a GAN's budget buys would hardly open the gates.

    Args:
        network: changed in place.
        gate: of both parts of every block.
    """
    backbone = network.backbone
    assert isinstance(backbone, PatchedTransformer)
    nn.init.normal_(backbone.head.weight, std=backbone.head.in_features**-0.5)
    for block in backbone.transformer.blocks:
        assert isinstance(block, Block)
        with torch.no_grad():
            block.offsets[2] = block.offsets[5] = gate


def count_weights(*modules: nn.Module) -> int:
    """Trained numbers."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
