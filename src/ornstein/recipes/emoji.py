"""The flagship: emoji in nine styles from a prompt, 64 px with transparent background."""

from __future__ import annotations

from ornstein.net.dit import TransformerConfig
from ornstein.net.patched import PatchedConfig
from ornstein.process.times import KarrasGrid, LogitNormal
from ornstein.recipes.recipe import (
    DataSection,
    ObjectiveSection,
    Recipe,
    SamplingSection,
    Stage,
    TextCondition,
    TrainingSection,
)


def emoji() -> Recipe:
    """About 12 million weights; four to five hours on two cores.

    Concepts are drawn before styles and variants, or the skin-tone variants of people (70% of the files) would
    swamp everything else. The first part of the run sees quarter-size pictures, where a step costs two fifths.
    Noise levels and grid of times are those that docs/recipes.md measures.
    """
    return Recipe(
        name="emoji",
        data=DataSection(pack="data/emoji", draw="concept-first", captions=(0.55, 0.2, 0.1, 0.15)),
        condition=TextCondition(length=18),
        network=PatchedConfig(transformer=TransformerConfig(width=384, depth=6, heads=6), patch=8),
        objective=ObjectiveSection(times=LogitNormal(mean=1.2, deviation=0.9)),
        training=TrainingSection(
            samples=1_440_000,
            stored="bfloat16",
            stages=(Stage(size=32, batch=256, share=2), Stage(size=64, batch=128, share=3)),
            prompts=(
                "grinning face, Noto style", "red apple, 3D style", "dog face, flat style", "rocket, Twemoji style",
                "birthday cake, Fluent style", "sunflower, Noto style", "guitar, 3D style", "castle, EmojiOne style",
                "person running, Twemoji style", "fried egg, flat style", "octopus, FxEmoji style", "a green car",
                "flag: France, Twemoji style", "thumbs up, Noto classic style", "blue heart, 3D style", "cat",
            ),
        ),
        sampling=SamplingSection(steps=14, guidance=3, grid=KarrasGrid(sigma_min=0.05)),
    )  # fmt: skip
