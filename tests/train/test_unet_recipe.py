"""A recipe that names a U-Net is trained, stored and drawn from like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ornstein.config import override, parse
from ornstein.errors import UsageError
from ornstein.model import Model
from ornstein.net.patched import PatchedConfig
from ornstein.net.unet import UNetConfig
from ornstein.recipes.recipe import Recipe
from tests.train.conftest import NAMES, tiny_recipe, trainer_of

SHAPE = 'network.levels=[{"width":16,"blocks":1},{"width":32,"blocks":1,"heads":2}]'


def unet_recipe(pack: Path, **training: object) -> Recipe:
    return override(tiny_recipe(pack, **training), ["network.kind=unet", SHAPE])


def test_a_run_ends_in_a_bundle_that_draws_as_its_averaged_weights_do(discs: Path, tmp_path: Path) -> None:
    trainer = trainer_of(unet_recipe(discs, samples=96), tmp_path / "run")
    reports = list(trainer.steps())
    assert reports[-1].progress.flops > 0
    model = Model.load(trainer.write_bundle(tmp_path / "bundle"))
    assert isinstance(model.recipe.network, UNetConfig)
    assert "in a U-Net of 2 levels, 16, 32 wide" in (tmp_path / "bundle" / "card.md").read_text()
    drawn, again = (m.generate(NAMES, seeds=[1, 2, 3], steps=2) for m in (trainer.averaged_model(), model))
    for a, b in zip(drawn, again, strict=True):
        assert np.array_equal(a.array, b.array)


def test_muon_has_its_kernels_and_matrices_and_no_other_weight_twice(discs: Path, tmp_path: Path) -> None:
    trainer = trainer_of(unet_recipe(discs), tmp_path)
    names = {id(p): name for name, p in trainer.model.network.named_parameters()}
    held = {
        kind: [names[id(p)] for group in part.param_groups for p in group["params"]]
        for kind, part in trainer.optimiser.parts.items()
    }
    assert sorted(held["adamw"] + held["muon"]) == sorted(names.values())
    stages = ("down.0", "bottom", "up.0")
    kernels = {
        f"backbone.{stage}.blocks.0.convolve.{part}.weight" for stage in stages for part in ("into", "out")
    }
    attention = ("attention.qkv", "attention.out", "feed_forward.into", "feed_forward.out")
    assert set(held["muon"]) == kernels | {
        f"backbone.bottom.blocks.0.attend.{part}.weight" for part in attention
    }


def test_a_stopped_run_goes_on_to_the_same_weights(discs: Path, tmp_path: Path) -> None:
    recipe = unet_recipe(discs, samples=64)
    straight = trainer_of(recipe, tmp_path / "straight")
    list(straight.steps())
    first = trainer_of(recipe, tmp_path / "stopped")
    next(first.steps())
    first.save()
    second = trainer_of(recipe, tmp_path / "stopped")
    list(second.steps())
    resumed = second.model.network.state_dict()
    for name, value in straight.model.network.state_dict().items():
        assert torch.equal(value, resumed[name]), name


def test_a_recipe_from_before_there_were_kinds_is_a_transformer(discs: Path) -> None:
    recipe = tiny_recipe(discs)
    values = recipe.model_dump(mode="json")
    del values["network"]["kind"]
    assert parse(Recipe, values) == recipe
    assert isinstance(recipe.network, PatchedConfig)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["network.kind=unt"], "unknown network.kind 'unt'; did you mean 'unet'"),
        (["network.kind=unet", "network.patch=4"], "unknown key.*patch'; known: axes, kind, levels"),
        (["network.kind=unet", "network.axes=3"], "a network of 3 axes cannot see samples of 2"),
        (
            ["network.kind=unet", 'network.levels=[{"width":16},{"width":16},{"width":16},{"width":16,"heads":1}]',
             "sampling.size=20"],
            "size 20 is not a multiple of 8",
        ),
    ],
)  # fmt: skip
def test_nonsense_is_one_line(discs: Path, settings: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        override(tiny_recipe(discs), settings)
