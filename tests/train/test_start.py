"""A run that starts from a bundle takes over its weights, and answers for what it had cost and learned from."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from ornstein.bundle import Bundle
from ornstein.config import override
from ornstein.data.manifest import read
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from tests.train.conftest import make_pack, tiny_recipe, trainer_of


@pytest.fixture(scope="module")
def first(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained on the discs."""
    folder = tmp_path_factory.mktemp("first")
    trainer = trainer_of(tiny_recipe(discs, samples=64), folder / "run")
    list(trainer.steps())
    return trainer.write_bundle(folder / "bundle")


def test_weights_and_cost_are_taken_over(discs: Path, first: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_recipe(discs, samples=32, start=str(first)), tmp_path / "run")
    started = Bundle.open(first)
    for name, value in trainer.model.network.state_dict().items():
        assert torch.equal(value, started.weights()[name])
    list(trainer.steps())
    cost = json.loads((trainer.write_bundle(tmp_path / "bundle") / "model.json").read_text())["training"]
    assert cost["seen"] == 96
    assert cost["flops"] > started.facts.training["flops"]
    assert cost["started from"] == started.fingerprint


def test_pictures_of_the_start_stay_in_the_manifest_and_none_is_counted_twice(
    discs: Path, first: Path, tmp_path: Path
) -> None:
    for pack, expected in ((discs, 48), (make_pack(tmp_path / "others", count=12, seed=1), 60)):
        trainer = trainer_of(tiny_recipe(pack, start=str(first)), tmp_path / f"run-{pack.name}")
        bundle = trainer.write_bundle(tmp_path / f"bundle-{pack.name}")
        rows = read(bundle / "manifest.parquet")
        assert len(rows) == expected
        assert max(Counter(row.sha256 for row in rows).values()) == 1
        assert {row.sha256 for row in Pack.open(discs).rows()} <= {row.sha256 for row in rows}


def test_a_start_that_learned_from_a_licence_the_recipe_refuses_is_refused(
    discs: Path, first: Path, tmp_path: Path
) -> None:
    mit = make_pack(tmp_path / "mit", licence="MIT")
    recipe = override(tiny_recipe(mit, start=str(first)), ['data.licences=["MIT"]'])
    with pytest.raises(OrnsteinError, match=r"CC0-1\.0"):
        trainer_of(recipe, tmp_path / "run")


def test_a_start_of_another_shape_is_refused(discs: Path, first: Path, tmp_path: Path) -> None:
    other = override(tiny_recipe(discs, start=str(first)), ["network.transformer.width=48"])
    with pytest.raises(OrnsteinError, match="its network differs"):
        trainer_of(other, tmp_path / "run")
