"""Small models of text and of a table with random weights, and bundles of them: made in a second, good for nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ornstein.bundle import Bundle
from ornstein.codec.tokens import TokenCodec
from ornstein.data.copies import Copies
from ornstein.data.manifest import Row
from ornstein.net.dit import TransformerConfig
from ornstein.net.sequence import SequenceConfig
from ornstein.recipes.text import TextData, TextRecipe, TextSampling
from ornstein.saving import with_sources
from ornstein.tables import TableModel
from ornstein.texts import TextModel
from ornstein.train.tables import table_task

THINGS = ("sea", "hill", "wind", "stone", "river", "tree", "bird", "night")
PASSAGES = [
    f"letter {k} says the {THINGS[k % 8]} is {k} the {THINGS[k // 8 % 8]} and no {k} stands by the {THINGS[k % 5]} of "
    f"all that were ever seen by the {THINGS[k % 3]} in the {THINGS[k % 7]} of old"
    for k in range(40)
]


def _drawn(network: nn.Module) -> None:
    """Draw every weight, so that what is given changes what comes."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            if value.ndim >= 2:
                value.copy_(torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5)


def text_bundle(folder: Path, name: str = "letters") -> Path:
    """A bundle of a model of text, with the index of what it did not learn from."""
    recipe = TextRecipe(
        name=name, data=TextData(pack="nowhere"), codec=TokenCodec(size=300).fitted(PASSAGES),
        network=SequenceConfig(context=128, transformer=TransformerConfig(width=32, depth=1, heads=2, axes=1)),
        sampling=TextSampling(length=24, steps=2),
    )  # fmt: skip
    model = TextModel.from_recipe(recipe)
    _drawn(model.network)
    rows = [
        Row(id=f"letter-{k}", sha256="0" * 64, licence="CC0-1.0", holder="A. Writer", source="letters", split="train",
            concept="", style="", variant=0, captions=(f"letter {k}",))
        for k in range(len(PASSAGES))
    ]  # fmt: skip
    model.save(folder, manifest=rows)
    with_sources(Bundle.open(folder), Copies.of(PASSAGES).save())
    return folder


def people(rows: int = 120) -> pd.DataFrame:
    """A table: numbers, kinds, and gaps."""
    random = np.random.default_rng(5)
    sex = random.choice(["F", "M"], rows, p=[0.7, 0.3])
    age = random.integers(0, 90, rows)
    height = np.round(np.where(sex == "F", 165, 180) + random.normal(0, 5, rows), 1)
    gaps, jobs = random.random(rows) < 0.1, random.choice(["smith", "cook", "clerk"], rows)
    job = [None if gap else str(one) for gap, one in zip(gaps, jobs, strict=True)]
    return pd.DataFrame({"sex": sex, "age": age, "height": height, "job": job})


def rows_bundle(folder: Path, name: str = "people") -> Path:
    """A bundle of a model of ``people``."""
    changes = ("network.width=32", "network.depth=1", "sampling.steps=4")
    task = table_task(people(), name, changes=changes)
    model = TableModel.from_recipe(task.recipe)
    _drawn(model.network)
    return model.save(folder, manifest=list(task.rows()))


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the model of text."""
    return text_bundle(tmp_path_factory.mktemp("bundles") / "letters")


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the model of rows."""
    return rows_bundle(tmp_path_factory.mktemp("bundles") / "people")
