"""Grids of timesteps are the schedulers' own, and the path reaches pure noise where it says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from ornstein.errors import UsageError
from ornstein.interop.schedulers import read_schedule
from ornstein.process.gaussian import DiscreteBeta
from ornstein.process.timesteps import FlowTimestepGrid, TimestepGrid
from tests.common import real

SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
ZERO = DiscreteBeta(schedule="scaled-linear", beta_start=0.00085, beta_end=0.012, zero_terminal=True)


def grid_of(scheduler: Any) -> TimestepGrid | FlowTimestepGrid:
    return read_schedule(type(scheduler).__name__, dict(scheduler.config), 16, False).grid


@pytest.mark.parametrize("steps", [1, 7, 20, 50])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("kind", [DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler])
def test_visited_timesteps(kind: Any, spacing: str, steps: int) -> None:
    if steps == 1 and spacing == "linspace" and kind is not DPMSolverMultistepScheduler:
        pytest.skip("theirs then takes its one step from the least noise")
    scheduler = kind(timestep_spacing=spacing, steps_offset=1 if spacing == "leading" else 0)
    scheduler.set_timesteps(steps)
    visited = grid_of(scheduler).times(steps, DiscreteBeta())[:-1] * 1000 - 1
    np.testing.assert_allclose(visited, scheduler.timesteps.double(), atol=1e-4)


@pytest.mark.parametrize("kind", [DPMSolverMultistepScheduler, EulerDiscreteScheduler])
def test_karras_levels(kind: Any) -> None:
    scheduler = kind(use_karras_sigmas=True)
    scheduler.set_timesteps(10)
    path = DiscreteBeta()
    levels = (-path(grid_of(scheduler).times(10, path)[:-1]).logsnr / 2).exp()
    np.testing.assert_allclose(levels, scheduler.sigmas[:-1].double(), rtol=1e-4)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_times(shift: float) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(9)
    path = read_schedule("FlowMatchEulerDiscreteScheduler", dict(scheduler.config), 16, False).path
    np.testing.assert_allclose(grid_of(scheduler).times(9, path), scheduler.sigmas.double(), atol=1e-6)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("size", [256, 512, 1024])
def test_flow_times_that_depend_on_the_size(size: int, linear: bool) -> None:
    options = {"use_dynamic_shifting": True, "time_shift_type": "linear" if linear else "exponential"}
    scheduler = FlowMatchEulerDiscreteScheduler(**options)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / 6, 6), mu=calculate_shift((size // 16) ** 2))
    plan = read_schedule("FlowMatchEulerDiscreteScheduler", dict(scheduler.config), 16, ends_at_step=True)
    assert isinstance(plan.grid, FlowTimestepGrid)
    np.testing.assert_allclose(plan.grid.at(size).times(6, plan.path), scheduler.sigmas.double(), atol=1e-6)


def test_zero_terminal_is_their_rescaled_schedule_and_ends_in_pure_noise() -> None:
    theirs = DDIMScheduler(**SCALED, rescale_betas_zero_snr=True).alphas_cumprod.double()
    t = torch.arange(1, 1001, dtype=torch.float64) / 1000
    c = ZERO(t)
    torch.testing.assert_close(c.alpha**2, theirs, rtol=0, atol=1e-6)
    assert (c.alpha[-1], c.sigma[-1]) == (0, 1)


def test_cosine_betas_are_theirs() -> None:
    theirs = DDIMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod.double()
    t = torch.arange(1, 1001, dtype=torch.float64) / 1000
    torch.testing.assert_close(DiscreteBeta(schedule="cosine")(t).alpha ** 2, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("path", [ZERO, DiscreteBeta(schedule="cosine")])
def test_levels_find_their_times(path: DiscreteBeta) -> None:
    t = torch.linspace(0, 1, 4001, dtype=torch.float64)
    torch.testing.assert_close(path.time(path(t).logsnr), t, rtol=0, atol=1e-9)


def test_more_steps_than_levels_are_refused() -> None:
    with pytest.raises(UsageError, match="steps must be at most 999"):
        TimestepGrid(spare=True).times(1000, DiscreteBeta())
    assert TimestepGrid().times(1000, DiscreteBeta())[0] == real(1.0)
