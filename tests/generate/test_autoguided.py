"""Autoguidance of one model by another, from Python."""

from __future__ import annotations

import torch
from torch import Tensor

from ornstein.guide.auto import AutoGuided
from ornstein.model import Model
from ornstein.sample.loop import sample
from tests.small import random_model, text_recipe


def drawn(model: Model, worse: Model, auto: float, guidance: float) -> Tensor:
    """As the documentation shows."""
    method, grids = model.plan("ddim", [3, 3])
    x = model.start([5, 6], 32, [grid[0] for grid in grids])
    denoiser = model.guided(AutoGuided(model.denoiser(), worse.denoiser(), auto))
    condition = model.condition(["cat", "dog"], ["", "blue"], [guidance, 1.0])
    with torch.inference_mode():
        made = sample(method, denoiser, model.recipe.process.path, x, grids, condition, [5, 6])
    assert isinstance(made, Tensor)
    return made


def test_another_model_leads_away_and_the_same_one_nowhere(model: Model) -> None:
    other = random_model(text_recipe(), seed=1)
    for guidance in (1.0, 3.0):
        plain = drawn(model, other, 1.0, guidance)
        torch.testing.assert_close(drawn(model, model, 2.0, guidance), plain, rtol=1e-3, atol=1e-3)
        assert not torch.allclose(drawn(model, other, 2.0, guidance), plain, atol=0.05)
