"""Which weights go to which optimiser, when they move, and what averages remember."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ornstein.model import Model
from ornstein.recipes.recipe import OptimiserSection
from ornstein.train.ema import AveragedWeights
from ornstein.train.optim import Optimiser
from tests.train.conftest import tiny_recipe


def test_every_weight_is_trained_by_exactly_one_optimiser_and_muon_has_the_block_matrices(
    tmp_path: Path,
) -> None:
    network = Model.from_recipe(tiny_recipe(tmp_path)).network
    optimiser = Optimiser(network, OptimiserSection(), 1000)
    held = [
        id(p) for part in optimiser.parts.values() for group in part.param_groups for p in group["params"]
    ]
    assert sorted(held) == sorted(id(p) for p in network.parameters())
    names = {id(p): name for name, p in network.named_parameters()}
    muon = {names[id(p)] for group in optimiser.parts["muon"].param_groups for p in group["params"]}
    assert muon == {
        f"backbone.transformer.blocks.{k}.{part}.weight"
        for k in range(2)
        for part in ("attention.qkv", "attention.out", "feed_forward.into", "feed_forward.out")
    }


def test_rate_warms_up_holds_and_falls_to_zero() -> None:
    optimiser = Optimiser(nn.Linear(2, 2), OptimiserSection(warmup=100, decay=0.25), 1000)
    assert optimiser.rate(49) == pytest.approx(0.5)
    assert optimiser.rate(500) == 1.0
    assert optimiser.rate(875) == pytest.approx(0.5)
    assert optimiser.rate(1000) == 0.0


def test_average_has_the_stated_half_life_and_copies_buffers() -> None:
    module = nn.BatchNorm1d(1)
    assert module.weight is not None
    average = AveragedWeights(module, half_life=1000)
    nn.init.constant_(module.weight, 3.0)
    module.running_mean.fill_(7.0)
    for _ in range(10):  # 10 x 100 samples, late in a run: one half-life
        average.update(module, seen=10**6, batch=100)
    assert float(average.tensors["weight"]) == pytest.approx(2.0, abs=1e-5)
    assert float(average.tensors["running_mean"]) == 7.0


def test_early_average_follows_the_weights_closely() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = AveragedWeights(module, half_life=10**9)
    nn.init.constant_(module.weight, 5.0)
    average.update(module, seen=100, batch=100)  # a tenth of 100 samples is the half-life now: ten half-lives
    assert float(average.tensors["weight"]) == pytest.approx(5.0, abs=0.02)


def test_state_survives_a_round_trip_bitwise() -> None:
    def make() -> tuple[nn.Module, Optimiser]:
        torch.manual_seed(0)
        module = nn.ModuleDict({"blocks": nn.ModuleList([nn.Linear(4, 4)])})
        holder = nn.Module()
        holder.add_module("net", module)
        return holder, Optimiser(holder, OptimiserSection(warmup=0), 100)

    def step(module: nn.Module, optimiser: Optimiser, k: int) -> None:
        torch.manual_seed(k)
        for parameter in module.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimiser.step(k)

    straight, first = make()
    for k in range(6):
        step(straight, first, k)
    module, before = make()
    for k in range(3):
        step(module, before, k)
    saved = {name: value.clone() for name, value in before.state()}
    resumed, after = make()
    resumed.load_state_dict(module.state_dict())
    after.load(saved)
    for k in range(3, 6):
        step(resumed, after, k)
    for a, b in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
