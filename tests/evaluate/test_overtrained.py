"""A model that was trained far too long on far too few pictures is flagged as copying; a healthy one is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ornstein.data.pack import Pack
from ornstein.evaluate.copying import Copying, copying, is_copying
from ornstein.recipes.recipe import Stage
from tests.train.conftest import NAMES, make_pack, tiny_recipe, trainer_of

HELD = 60


def judged(folder: Path, learned: int) -> Copying:
    """Train on `learned` discs, make as many pictures as were held out, and judge them by their pixels."""
    folder = make_pack(folder / "discs", count=learned + HELD, held=HELD)
    recipe = tiny_recipe(folder, samples=8000, stages=(Stage(size=16, batch=32),), ema=(500, 2000))
    trainer = trainer_of(recipe, folder.parent / "run")
    list(trainer.steps())
    made = trainer.averaged_model().generate(
        [*NAMES] * (HELD // 3), list(range(HELD)), steps=12, guidance=1.0
    )
    pack = Pack.open(folder)

    def features(pictures: np.ndarray) -> Tensor:
        return torch.from_numpy(pictures.reshape(len(pictures), -1)).float()

    held_out, training = (features(pack.pictures(pack.indices(split))) for split in ("held-out", "train"))
    return copying(features(np.stack([out.array for out in made])), held_out, training)


@pytest.mark.parametrize(("learned", "copies"), [(9, True), (300, False)])
def test_copies_of_a_real_model_are_told_from_its_own_pictures(
    tmp_path: Path, learned: int, copies: bool
) -> None:
    found = judged(tmp_path, learned)
    assert is_copying(found) == copies
    assert (found.flagged.value > 0.5) == copies
    assert (found.authentic.high < found.authentic_held_out.low) == copies
