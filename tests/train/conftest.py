"""A tiny licensed pack and a recipe that trains on it in seconds."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ornstein.data.manifest import Row
from ornstein.data.pack import Pack
from ornstein.data.write import write_pack
from ornstein.net.dit import TransformerConfig
from ornstein.net.patched import PatchedConfig
from ornstein.recipes.recipe import (
    ClassesCondition,
    DataSection,
    OptimiserSection,
    Recipe,
    SamplingSection,
    Stage,
    TrainingSection,
)
from ornstein.train.loop import Trainer
from ornstein.train.pictures import PictureTask, resolve

NAMES = ("red", "green", "blue")


def make_pack(
    folder: Path,
    count: int = 48,
    licence: str = "CC0-1.0",
    seed: int = 0,
    held: int = 0,
    names: Sequence[str] = NAMES,
    opaque: bool = False,
) -> Path:
    """Discs in up to three colours on a transparent ground, or on black, captioned with their names; the last `held`
    are held out.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    items: list[tuple[Row, bytes]] = []
    for k in range(count):
        picture = np.zeros((16, 16, 4), np.uint8)
        cx, cy, radius = random.uniform(5, 11), random.uniform(5, 11), random.uniform(3, 5)
        inside, colour = (x - cx) ** 2 + (y - cy) ** 2 < radius**2, k % len(names)
        picture[inside, colour], picture[inside | opaque, 3] = 255, 255
        buffer = io.BytesIO()
        Image.fromarray(picture, "RGBA").save(buffer, "PNG")
        name = names[colour]
        row = Row(
            id=f"{k:03d}", sha256=hashlib.sha256(buffer.getvalue()).hexdigest(), licence=licence, holder="test",
            source="made in the test", split="train" if k < count - held else "held-out",
            concept=name, style="", variant=0, captions=(name,),
        )  # fmt: skip
        items.append((row, buffer.getvalue()))
    return write_pack(folder, name="discs", size=16, channels=4, items=items)


def tiny_recipe(pack: Path, samples: int = 320, **training: object) -> Recipe:
    """A network of 30 thousand weights on the discs."""
    return Recipe(
        name="tiny",
        data=DataSection(pack=str(pack)),
        condition=ClassesCondition(names=NAMES),
        network=PatchedConfig(
            transformer=TransformerConfig(width=32, depth=2, heads=2), patch=4, bottleneck=16, smooth=4
        ),
        optimiser=OptimiserSection(warmup=32, adamw=3e-3, muon=1e-2),
        training=TrainingSection.model_validate(
            {
                "samples": samples, "stages": (Stage(size=8, batch=16), Stage(size=16, batch=8)), "ema": (64, 256),
                "checkpoint_seconds": 0.02, "prompts": NAMES, "sample_samples": 10**9, **training,
            }
        ),
        sampling=SamplingSection(size=16, steps=4),
    )  # fmt: skip


def trainer_of(recipe: Recipe, run: Path) -> Trainer:
    """The trainer of a recipe, resolved on its pack."""
    pack = Pack.open(Path(recipe.data.pack))
    return Trainer(PictureTask(resolve(recipe, pack), pack, run / "cache"), run)


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny pack."""
    return make_pack(tmp_path_factory.mktemp("pack") / "discs")
