"""The networks benchmark: both networks get the same number of operations, and nothing else differs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from tests.train.conftest import make_pack

from ornstein.config import override
from ornstein.data.pack import Pack
from ornstein.net.backbone import training_flops
from ornstein.recipes.fashion import fashion

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks are no part of the package

from benchmarks import networks


def test_networks_differ_in_shape_and_samples_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "fashion", lambda: override(fashion(), ["codec.channels=4"]))
    pack, budget = Pack.open(make_pack(tmp_path / "pack")), 3e12
    made = [networks.recipe_of(name, pack, budget, 5) for name in networks.NETWORKS]
    for recipe in made:
        each = training_flops(recipe.network, recipe.codec.shape(16), 1)
        assert abs(recipe.training.samples * each - budget) <= 64 * each
        assert recipe.training.samples % 128 == 0
    unet, transformer = made
    assert unet.training.samples != transformer.training.samples
    training = transformer.training.model_copy(update={"samples": unet.training.samples})
    assert transformer.model_copy(update={"network": unet.network, "training": training}) == unet


def test_a_sheet_shows_the_sets_below_each_other() -> None:
    first, second = (np.full((networks.COLUMNS * networks.ROWS, 4, 4, 1), k, np.uint8) for k in (10, 90))
    shown = np.asarray(networks.sheet([first, second]))
    middle = shown.shape[0] // 2
    assert {10, 255} == set(np.unique(shown[: middle - 16])) and {90, 255} == set(
        np.unique(shown[middle + 16 :])
    )
