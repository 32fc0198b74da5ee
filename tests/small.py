"""Small models with random weights, bundles of them, and the command line as a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from ornstein.cli import main
from ornstein.codec.pixels import PixelCodec
from ornstein.data.manifest import Row
from ornstein.model import Model
from ornstein.net.dit import TransformerConfig
from ornstein.net.patched import PatchedConfig
from ornstein.recipes.recipe import (
    ClassesCondition,
    DataSection,
    Recipe,
    SamplingSection,
    Stage,
    TextCondition,
    TrainingSection,
)

TRANSFORMER = TransformerConfig(width=64, depth=2, heads=2)


def text_recipe(name: str = "small") -> Recipe:
    """RGBA from text, 32 px."""
    return Recipe(
        name=name,
        data=DataSection(pack="nowhere"),
        condition=TextCondition(length=8),
        network=PatchedConfig(transformer=TRANSFORMER, patch=8, bottleneck=32, smooth=4),
        training=TrainingSection(stages=(Stage(size=32),)),
        sampling=SamplingSection(steps=4, size=32),
    )


def class_recipe() -> Recipe:
    """Grey from three classes, 28 px."""
    return Recipe(
        name="grey",
        data=DataSection(pack="nowhere"),
        condition=ClassesCondition(names=("coat", "bag", "ankle boot")),
        codec=PixelCodec(channels=1),
        network=PatchedConfig(transformer=TRANSFORMER, patch=4, bottleneck=16, smooth=4),
        training=TrainingSection(stages=(Stage(size=28),)),
        sampling=SamplingSection(steps=4, size=28, guidance=1.5),
    )


def random_model(recipe: Recipe, seed: int = 0) -> Model:
    """A model whose every weight is drawn, so that prompts, noise levels and guidance all change its pictures."""
    model = Model.from_recipe(recipe)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.network.parameters():
            if value.ndim >= 2:
                value.copy_(torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5)
    return model


def rows() -> list[Row]:
    """A manifest: two sets, three licences, one awkward holder."""
    facts = [
        ("noto/cat", "Apache-2.0", "Google Inc", "@icons/json 2.2 noto:cat", "Noto style", "train"),
        ("noto/cow", "Apache-2.0", "Google Inc", "@icons/json 2.2 noto:cow", "Noto style", "held-out-pair"),
        ("flat/cat", "CC-BY-4.0", "Ada | Co\nLtd", "@icons/json 2.2 flat:cat", "flat style", "train"),
        ("own/cat", "MIT", "Studio", "cat.png", "", "train"),
    ]
    return [
        Row(id=id, sha256="0" * 64, licence=licence, holder=holder, source=source, split=split, concept="cat",
            style=style, variant=0, captions=("cat",))
        for id, licence, holder, source, style, split in facts
    ]  # fmt: skip


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def ornstein(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command line in this process, errors and exit codes included."""

    def run(*arguments: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capfd.readouterr()
        code = left.value.code
        assert isinstance(code, int)
        return Said(code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the text model, weights in bfloat16, with manifest, metrics and cost."""
    folder = tmp_path_factory.mktemp("bundles") / "small"
    training = {"seen": 1234, "seconds": 90.0, "flops": 3e15}
    model = random_model(text_recipe())
    return model.save(folder, manifest=rows(), metrics={"R@5": 0.5}, training=training, dtype="bfloat16")


@pytest.fixture(scope="session")
def model(bundle: Path) -> Model:
    """The text model, loaded."""
    return Model.load(bundle)


@pytest.fixture(scope="session")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the class model, weights in float32, nothing known of its data."""
    return random_model(class_recipe()).save(tmp_path_factory.mktemp("bundles") / "grey")
