"""Class-conditional Fashion-MNIST: the small grey case, minutes on two cores."""

from __future__ import annotations

from ornstein.codec.pixels import PixelCodec
from ornstein.data.fashion import CLASSES
from ornstein.net.dit import TransformerConfig
from ornstein.net.patched import PatchedConfig
from ornstein.process.times import KarrasGrid, LogitNormal
from ornstein.recipes.recipe import (
    ClassesCondition,
    DataSection,
    Recipe,
    SamplingSection,
    Stage,
    TrainingSection,
)


def fashion() -> Recipe:
    """About 2.5 million weights, patch 4 at 28 px."""
    return Recipe(
        name="fashion",
        data=DataSection(pack="data/fashion-mnist"),
        condition=ClassesCondition(names=CLASSES),
        codec=PixelCodec(channels=1),
        network=PatchedConfig(
            transformer=TransformerConfig(width=192, depth=5, heads=3), patch=4, bottleneck=32
        ),
        training=TrainingSection(
            samples=500_000,
            stored="bfloat16",
            stages=(
                Stage(size=28, batch=128, share=3),
                Stage(size=28, batch=128, share=2, times=LogitNormal(mean=-0.2, deviation=1.2)),
            ),
            ema=(10_000, 40_000),
            prompts=CLASSES,
        ),
        sampling=SamplingSection(size=28, guidance=1.5, grid=KarrasGrid(sigma_min=0.02)),
    )
