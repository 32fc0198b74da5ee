"""Your own pictures: what ``ornstein train FOLDER`` starts from."""

from __future__ import annotations

from ornstein.net.dit import TransformerConfig
from ornstein.net.patched import PatchedConfig
from ornstein.process.times import KarrasGrid
from ornstein.recipes.recipe import DataSection, Recipe, SamplingSection, TextCondition, TrainingSection


def folder() -> Recipe:
    """The flagship's network at a length that suits a few thousand pictures."""
    return Recipe(
        name="folder",
        data=DataSection(pack="data/folder"),
        condition=TextCondition(length=24),
        network=PatchedConfig(transformer=TransformerConfig(width=256, depth=6, heads=4)),
        training=TrainingSection(samples=200_000),
        # the flagship's grid, which docs/recipes.md measures
        sampling=SamplingSection(grid=KarrasGrid(sigma_min=0.05)),
    )
