"""Grids fall from noise to exactly clean data on every path; laws of training times mean the same on every path."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from pydantic import ValidationError
from scipy.stats import kstest

from ornstein.process.gaussian import Cosine, Flow, VarianceExploding
from ornstein.process.times import (
    KarrasGrid,
    LogitNormal,
    LogsnrGrid,
    ShiftedGrid,
    UniformGrid,
    UniformTime,
)
from ornstein.rng import stream
from tests.common import each_path

GRIDS = [
    UniformGrid(),
    LogsnrGrid(),
    KarrasGrid(),
    ShiftedGrid(),
    ShiftedGrid(shift=3.0),
    ShiftedGrid(shift=0.4),
]
each_grid = pytest.mark.parametrize("grid", GRIDS, ids=lambda g: f"{g.kind}-{getattr(g, 'shift', '')}")


@each_path
@each_grid
@pytest.mark.parametrize("steps", [1, 2, 17, 250])
def test_grids_fall_strictly_to_clean_data(grid, path, steps):
    times = grid.times(steps, path)
    assert (len(times), times.dtype, times[-1]) == (steps + 1, torch.float64, 0)
    assert times[0] <= 1
    assert (times.diff() < 0).all()


@each_path
def test_uniform_and_shifted_grids_start_at_pure_noise(path):
    assert all(grid.times(7, path)[0] == 1 for grid in GRIDS if grid.kind in ("uniform", "shifted"))


@each_path
def test_equal_steps_in_logsnr(path):
    levels = path(LogsnrGrid(logsnr_min=-5.0, logsnr_max=7.0).times(9, path)[:-1]).logsnr
    torch.testing.assert_close(levels, torch.linspace(-5, 7, 9, dtype=torch.float64))


def test_karras_grid_is_that_of_diffusers():
    """On a path with alpha = 1, sigma is the noise level itself."""
    peer = EulerDiscreteScheduler(use_karras_sigmas=True, sigma_min=0.05, sigma_max=12.0)
    peer.set_timesteps(20)
    path = VarianceExploding()
    sigmas = path(KarrasGrid(sigma_min=0.05, sigma_max=12.0).times(20, path)).sigma
    torch.testing.assert_close(sigmas.float(), peer.sigmas, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
def test_shifted_grid_is_that_of_flow_matching_in_diffusers(shift):
    steps = 12
    peer = FlowMatchEulerDiscreteScheduler(shift=shift)
    peer.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps).tolist())
    times = ShiftedGrid(shift=shift).times(steps, Flow())
    torch.testing.assert_close(times.float(), peer.sigmas, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("path", [Flow(), Cosine()], ids=["flow", "cosine"])
def test_a_shift_lowers_logsnr_by_twice_its_logarithm(path):
    shift = ShiftedGrid.for_resolution(128, 64)
    plain, moved = (path(g.times(10, path)[1:-1]).logsnr for g in (ShiftedGrid(), shift))
    torch.testing.assert_close(plain - moved, torch.full_like(plain, 2 * math.log(2)))


@each_path
def test_logit_normal_is_a_law_of_noise_levels(path):
    """-logsnr / 2 ~ N(mean, deviation^2), whatever the path; the few levels it does not reach are at its ends."""
    t = LogitNormal(mean=0.3, deviation=0.8).draw(stream("law", 0), 20_000, path)
    logit = -path(t.double()).logsnr.numpy() / 2
    inside = logit[t.numpy() < 1]
    assert len(inside) > 19_900
    assert kstest(inside, "norm", (0.3, 0.8)).statistic < 0.01


def test_training_times_cover_their_law_evenly_but_each_is_random():
    path = Flow()
    t = UniformTime().draw(stream("law", 0), 64, path)
    assert sorted((t * 64).long().tolist()) == list(range(64))
    singles = [UniformTime().draw(stream("law", k), 8, path)[0].item() for k in range(500)]
    assert kstest(singles, "uniform").pvalue > 1e-3
    assert torch.equal(t, UniformTime().draw(stream("law", 0), 64, path))


@pytest.mark.parametrize(
    ("grid", "values"),
    [(LogsnrGrid, {"logsnr_min": 9.0}), (KarrasGrid, {"sigma_min": 90.0}), (ShiftedGrid, {"shift": 0})],
)
def test_grids_that_cannot_fall_are_refused(grid, values):
    with pytest.raises(ValidationError):
        grid(**values)
