"""Sampling agrees with diffusers' schedulers on the same model outputs, wherever the definitions coincide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_deis_multistep import DEISMultistepScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from torch import Tensor

from ornstein.denoise.precondition import LOGSNR_LIMIT, NetworkDenoiser
from ornstein.process.fields import pad
from ornstein.process.gaussian import DiscreteBeta, Flow, Path
from ornstein.sample import multistep
from ornstein.sample.registry import METHODS
from tests.common import half_curved, normal, real, unused_noise

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers' own, of NumPy
STEPS = 20
SCHEDULES: dict[str, tuple[dict[str, Any], DiscreteBeta]] = {
    "ddpm": ({"beta_schedule": "linear"}, DiscreteBeta()),
    "stable-diffusion": (
        {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
        DiscreteBeta(schedule="scaled-linear", beta_start=0.00085, beta_end=0.012),
    ),
}
each_schedule = pytest.mark.parametrize(("options", "path"), SCHEDULES.values(), ids=SCHEDULES.keys())
each_prediction = pytest.mark.parametrize(("theirs", "ours"), [("epsilon", "eps"), ("v_prediction", "v")])


def network(z: Tensor, logsnr: Tensor, condition: Any = None) -> Tensor:
    """A smooth stand-in for trained weights; both sides call it."""
    return torch.tanh(0.6 * z + 0.05 * pad(logsnr, z)) + 0.2 * z.flip(-1)


def grid_of(timesteps: Tensor) -> Tensor:
    """Their integer timesteps on our clock, then clean data."""
    return torch.cat([(timesteps.double() + 1) / 1000, real(0.0).reshape(1)])


def run_ours(name: str, target: Any, path: Path, x: Any, grid: Tensor, noise: Any = unused_noise) -> Any:
    method, denoiser = METHODS[name], NetworkDenoiser(network, path, target)
    memory = method.fresh(x)
    for t, s in zip(grid[:-1].expand(len(x), -1).T, grid[1:].expand(len(x), -1).T, strict=True):
        x, memory = method.step(lambda x_t, time: denoiser(x_t, time, None), path, x, t, s, memory, noise)
    return x


def run_theirs(scheduler: Any, path: Path, x: Tensor, grid: Tensor, **options: Any) -> Tensor:
    for timestep, t in zip(scheduler.timesteps, grid, strict=False):
        c = path(t.expand(len(x)))
        output = network(x / pad(c.scale, x), c.logsnr.clamp(-LOGSNR_LIMIT, LOGSNR_LIMIT))
        x = scheduler.step(output, timestep, x, **options).prev_sample
    return x


def in_float64(scheduler: Any) -> Any:
    """Their tables are float32, whose rounding the last steps enlarge; the same products in float64."""
    betas = scheduler.config
    power = 1 if betas.beta_schedule == "linear" else 2
    ends = betas.beta_start ** (1 / power), betas.beta_end ** (1 / power)
    scheduler.betas = torch.linspace(*ends, 1000, dtype=torch.float64) ** power
    scheduler.alphas = 1 - scheduler.betas
    scheduler.alphas_cumprod = scheduler.alphas.cumprod(0)
    return scheduler


@each_schedule
@each_prediction
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_ddim(options, path, theirs, ours, spacing):
    scheduler = in_float64(
        DDIMScheduler(**options, prediction_type=theirs, clip_sample=False, timestep_spacing=spacing)
    )
    scheduler.set_timesteps(STEPS)
    grid, x = grid_of(scheduler.timesteps), normal(3, 8)
    expected = run_theirs(scheduler, path, x, grid, eta=0.0)
    torch.testing.assert_close(run_ours("ddim", ours, path, x, grid), expected, rtol=1e-5, atol=1e-5)


@each_schedule
@each_prediction
def test_ddpm_with_the_same_noise(options, path, theirs, ours):
    scheduler = in_float64(
        DDPMScheduler(**options, prediction_type=theirs, clip_sample=False, variance_type="fixed_small")
    )
    scheduler.set_timesteps(STEPS)
    grid, x = grid_of(scheduler.timesteps), normal(3, 8)
    first, second = (torch.Generator().manual_seed(5) for _ in range(2))
    expected = run_theirs(scheduler, path, x, grid, generator=first)
    result = run_ours(
        "ddpm", ours, path, x, grid, lambda: torch.randn(x.shape, generator=second, dtype=x.dtype)
    )
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


@each_schedule
@each_prediction
@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
def test_dpmpp_2m(options, path, theirs, ours, spacing):
    scheduler = DPMSolverMultistepScheduler(
        **options,
        prediction_type=theirs,
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        lower_order_final=True,
        final_sigmas_type="zero",
        timestep_spacing=spacing,
    )
    scheduler = in_float64(scheduler)
    scheduler.set_timesteps(STEPS)
    grid, x = grid_of(scheduler.timesteps), normal(3, 8)
    scheduler.sigmas = torch.cat([(-path(grid[:-1]).logsnr / 2).exp(), real(0.0).reshape(1)])
    expected = run_theirs(scheduler, path, x, grid)
    torch.testing.assert_close(run_ours("dpmpp-2m", ours, path, x, grid), expected, rtol=1e-5, atol=1e-5)


@each_schedule
@each_prediction
@pytest.mark.parametrize(
    ("kind", "name"), [(UniPCMultistepScheduler, "unipc-3"), (DEISMultistepScheduler, "deis-3")]
)
def test_three_guesses(options, path, theirs, ours, kind, name):
    """Up to the last noise level: their last steps, and only theirs, fall back to lower orders."""
    scheduler = in_float64(
        kind(
            **options,
            prediction_type=theirs,
            solver_order=3,
            lower_order_final=False,
            timestep_spacing="linspace",
        )
    )
    scheduler.set_timesteps(STEPS)
    grid, x = grid_of(scheduler.timesteps)[:-1], normal(3, 8)
    scheduler.timesteps = scheduler.timesteps[:-1]
    scheduler.sigmas = (-path(grid).logsnr / 2).exp()
    expected = run_theirs(scheduler, path, x, grid)
    torch.testing.assert_close(run_ours(name, ours, path, x, grid), expected, rtol=1e-8, atol=1e-8)


@each_schedule
def test_dpmpp_3m_but_for_the_half_weight_of_its_curvature(options, path, monkeypatch):
    """Theirs halves the parabola's curvature; `tests/orders` shows that this costs an order."""
    monkeypatch.setattr(multistep, "held_mean", half_curved)
    scheduler = in_float64(
        DPMSolverMultistepScheduler(
            **options,
            solver_order=3,
            lower_order_final=False,
            timestep_spacing="linspace",
            final_sigmas_type="sigma_min",
        )
    )
    scheduler.set_timesteps(STEPS)
    grid, x = grid_of(scheduler.timesteps)[:-1], normal(3, 8)
    scheduler.timesteps = scheduler.timesteps[:-1]
    scheduler.sigmas = (-path(grid).logsnr / 2).exp()
    expected = run_theirs(scheduler, path, x, grid)
    torch.testing.assert_close(run_ours("dpmpp-3m", "eps", path, x, grid), expected, rtol=1e-3, atol=1e-3)


@each_schedule
@each_prediction
def test_sde_dpmpp_2m_with_the_same_noise(options, path, theirs, ours):
    scheduler = in_float64(
        DPMSolverMultistepScheduler(
            **options, prediction_type=theirs, algorithm_type="sde-dpmsolver++", final_sigmas_type="zero"
        )
    )
    scheduler.set_timesteps(STEPS)
    grid, x = grid_of(scheduler.timesteps), normal(3, 8)
    scheduler.sigmas = torch.cat([(-path(grid[:-1]).logsnr / 2).exp(), real(0.0).reshape(1)])
    first, second = (torch.Generator().manual_seed(5) for _ in range(2))
    expected = run_theirs(scheduler, path, x, grid, generator=first)
    result = run_ours(
        "sde-dpmpp-2m",
        ours,
        path,
        x,
        grid,
        lambda: torch.randn(x.shape, generator=second, dtype=torch.float32).to(x),
    )
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


def test_dpmpp_2m_finds_the_same_noise_levels():
    """The levels set above in float64 are theirs but for float32 rounding."""
    for options, path in SCHEDULES.values():
        scheduler = DPMSolverMultistepScheduler(**options, final_sigmas_type="zero")
        scheduler.set_timesteps(STEPS)
        levels = (-path(grid_of(scheduler.timesteps)[:-1]).logsnr / 2).exp()
        torch.testing.assert_close(scheduler.sigmas[:-1].double(), levels, rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_euler_on_the_rectified_path(shift):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / STEPS, STEPS).tolist())
    grid, x = scheduler.sigmas.double(), normal(3, 8)
    expected = run_theirs(scheduler, Flow(), x, grid)
    torch.testing.assert_close(run_ours("ddim", "flow", Flow(), x, grid), expected, rtol=1e-5, atol=1e-5)
