"""Training learns, steps are pure, and bad runs stop with the facts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ornstein.config import override
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.process.times import LogitNormal
from ornstein.recipes.recipe import Stage
from ornstein.train.loop import stage_at
from ornstein.train.pictures import resolve
from tests.train.conftest import NAMES, make_pack, tiny_recipe, trainer_of


@pytest.mark.slow
def test_a_trained_model_paints_the_colour_it_is_asked_for(discs: Path, tmp_path: Path) -> None:
    stages = (Stage(size=16, batch=32),)
    trainer = trainer_of(tiny_recipe(discs, samples=24_000, stages=stages, ema=(1000, 4000)), tmp_path)
    losses = [report.loss for report in trainer.steps()]
    assert np.mean(losses[-50:]) < 0.5 * np.mean(losses[:50])
    outputs = trainer.averaged_model().generate(NAMES, seeds=[1, 2, 3], steps=8, guidance=2.0)
    for channel, output in enumerate(outputs):
        ink = np.asarray(output.image).astype(float)
        painted = (ink[..., :3] * ink[..., 3:] / 255).sum((0, 1))
        assert painted.argmax() == channel and painted[channel] > 3 * np.delete(painted, channel).max()


def test_gradient_does_not_depend_on_the_parts_a_batch_is_split_into(discs: Path, tmp_path: Path) -> None:
    def gradient(parts: int) -> dict[str, torch.Tensor]:
        trainer = trainer_of(tiny_recipe(discs, accumulate=parts), tmp_path / str(parts))
        trainer.model.dtype = torch.float32
        torch.manual_seed(0)
        with torch.no_grad():  # the head starts at zero, where most gradients vanish
            trainer.model.network.backbone.head.weight.normal_(std=0.1)
        trainer._step(trainer.task.batch(Stage(size=16, batch=12), 0, 12))
        return {n: p.grad for n, p in trainer.model.network.named_parameters() if p.grad is not None}

    whole, split = gradient(1), gradient(4)
    assert whole.keys() == split.keys() and len(whole) > 20
    for name, value in whole.items():
        assert float((value - split[name]).norm()) <= 1e-4 * float(value.norm()), name


def test_a_batch_is_a_pure_function_of_seed_and_step(discs: Path, tmp_path: Path) -> None:
    stage = Stage(size=16, batch=8)
    first = trainer_of(tiny_recipe(discs), tmp_path / "a").task.batch(stage, 0, 8)
    again = trainer_of(tiny_recipe(discs), tmp_path / "b").task.batch(stage, 0, 8)
    other = trainer_of(tiny_recipe(discs, seed=1), tmp_path / "c").task.batch(stage, 0, 8)
    assert torch.equal(first.noise, again.noise) and torch.equal(first.t, again.t)
    assert torch.equal(first.x, again.x) and torch.equal(first.condition.mask, again.condition.mask)
    assert not torch.equal(first.noise, other.noise)


def test_stages_follow_their_shares(discs: Path) -> None:
    recipe = tiny_recipe(discs, samples=100, stages=(Stage(size=8, share=3), Stage(size=16, share=1)))
    assert [stage_at(recipe, seen).size for seen in (0, 74, 75, 99, 100)] == [8, 8, 16, 16, 16]


def test_a_stage_may_have_noise_levels_of_its_own(discs: Path, tmp_path: Path) -> None:
    low = LogitNormal(mean=-2.0, deviation=0.5)
    trainer = trainer_of(tiny_recipe(discs), tmp_path)
    usual, own = (trainer.task.batch(Stage(size=16, batch=64, times=law), 0, 64).t for law in (None, low))
    objective = trainer.recipe.objective.times
    assert isinstance(objective, LogitNormal)
    assert float(torch.logit(usual).median()) == pytest.approx(objective.mean, abs=0.1)
    assert float(torch.logit(own).median()) == pytest.approx(low.mean, abs=0.1)


def test_divergence_stops_with_the_last_good_checkpoint_and_a_report(discs: Path, tmp_path: Path) -> None:
    trainer = trainer_of(
        override(tiny_recipe(discs), ["optimiser.adamw=1e30", "optimiser.warmup=0"]), tmp_path
    )
    trainer.save()
    with pytest.raises(OrnsteinError, match=r"not finite at step \d+.*checkpoint-000000000.*diverged\.json"):
        list(trainer.steps())
    assert (tmp_path / "diverged.json").is_file()


def test_resolve_measures_the_deviation_that_gives_unit_variance(discs: Path) -> None:
    pack = Pack.open(discs)
    recipe = resolve(tiny_recipe(discs), pack)
    x = recipe.codec.encode(pack.pictures(pack.indices("train")))
    assert float(x.square().mean()) == pytest.approx(1.0, abs=1e-3)
    assert resolve(recipe, pack) == recipe


def test_a_licence_the_recipe_does_not_allow_is_refused_by_name(tmp_path: Path) -> None:
    pack = make_pack(tmp_path / "shared", count=6, licence="CC-BY-SA-4.0")
    with pytest.raises(OrnsteinError, match=r"CC-BY-SA-4\.0"):
        resolve(tiny_recipe(pack), Pack.open(pack))


def test_channels_must_fit(discs: Path) -> None:
    with pytest.raises(OrnsteinError, match="4 channels"):
        resolve(override(tiny_recipe(discs), ["codec.channels=1"]), Pack.open(discs))


def test_flops_are_six_times_parameters_times_tokens(discs: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_recipe(discs), tmp_path)
    weights = sum(p.numel() for p in trainer.model.network.parameters())
    assert trainer.task.flops(Stage(size=16)) == 6 * weights * (16 + 1)  # 4 x 4 patches and one class token
