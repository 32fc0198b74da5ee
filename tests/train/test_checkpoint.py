"""Checkpoints are whole or absent, and only of their own recipe."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch

from ornstein.config import override
from ornstein.errors import OrnsteinError
from ornstein.train import checkpoint as module
from ornstein.train.checkpoint import Progress, checkpoints, read_checkpoint, write_checkpoint
from tests.train.conftest import tiny_recipe

TENSORS = {"network:w": torch.arange(6.0).reshape(2, 3)}


def test_round_trip(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    written = write_checkpoint(tmp_path, recipe, Progress(3, 96, 1.5, 1e9), TENSORS)
    progress, tensors = read_checkpoint(written, recipe)
    assert progress == Progress(3, 96, 1.5, 1e9)
    assert torch.equal(tensors["network:w"], TENSORS["network:w"])


def test_only_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in range(5):
        write_checkpoint(tmp_path, tiny_recipe(tmp_path), Progress(step), TENSORS)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-000000003", "checkpoint-000000004"]


def test_another_recipe_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    written = write_checkpoint(tmp_path, recipe, Progress(), TENSORS)
    other = override(recipe, ["optimiser.muon=0.5"])
    with pytest.raises(OrnsteinError, match=r"another recipe.*optimiser\.muon"):
        read_checkpoint(written, other)


def test_a_checkpoint_from_before_a_choice_existed_has_its_default(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    written = write_checkpoint(tmp_path, recipe, Progress(7), TENSORS)
    facts = json.loads((written / "checkpoint.json").read_text())
    del facts["recipe"]["data"]["augment"]
    (written / "checkpoint.json").write_text(json.dumps(facts))
    assert read_checkpoint(written, recipe)[0].step == 7
    with pytest.raises(OrnsteinError, match=r"data\.augment"):
        read_checkpoint(written, override(recipe, ["data.augment=0.05"]))


def test_a_longer_run_may_go_on_from_it(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    written = write_checkpoint(tmp_path, recipe, Progress(7), TENSORS)
    assert read_checkpoint(written, override(recipe, ["training.samples=999"]))[0].step == 7


def test_full_disk_loses_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_recipe(tmp_path)
    write_checkpoint(tmp_path, recipe, Progress(1), TENSORS)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_sync", full)
    with pytest.raises(OrnsteinError, match="disk is full.*checkpoint-000000001"):
        write_checkpoint(tmp_path, recipe, Progress(2), TENSORS)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000001"]
    assert read_checkpoint(checkpoints(tmp_path)[0], recipe)[0].step == 1


@pytest.mark.parametrize("damage", ["truncate", "garbage"])
def test_damaged_checkpoint_is_a_named_error(tmp_path: Path, damage: str) -> None:
    recipe = tiny_recipe(tmp_path)
    written = write_checkpoint(tmp_path, recipe, Progress(), TENSORS)
    state = written / "state.safetensors"
    state.write_bytes(state.read_bytes()[:20] if damage == "truncate" else b"not a safetensors file")
    with pytest.raises(OrnsteinError, match="damaged"):
        read_checkpoint(written, recipe)
