"""A scheduler's config as our path, target, grid and sampler."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ornstein.denoise.algebra import TargetName
from ornstein.errors import OrnsteinError, nearest
from ornstein.process.gaussian import DiscreteBeta, Flow
from ornstein.process.timesteps import DynamicShift, FlowTimestepGrid, TimestepGrid


@dataclass(frozen=True)
class Scheduler:
    """What stands for a scheduler class.

    Attributes:
        sampler: our method. exact: it is the scheduler's own, else the nearest.
        spare: see ``TimestepGrid``. whole: see ``TimestepGrid``. flow: it steps on the rectified path.
    """

    sampler: str
    exact: bool = True
    spare: bool = False
    whole: bool = True
    flow: bool = False


SCHEDULERS = {
    "DDIMScheduler": Scheduler("ddim"),
    "DDPMScheduler": Scheduler("ddpm"),
    "PNDMScheduler": Scheduler("dpmpp-2m", exact=False),
    "EulerDiscreteScheduler": Scheduler("ddim", whole=False),
    "EulerAncestralDiscreteScheduler": Scheduler("ddpm", whole=False),
    "HeunDiscreteScheduler": Scheduler("heun", exact=False, whole=False),
    "DPMSolverMultistepScheduler": Scheduler("dpmpp-2m", spare=True),
    "DPMSolverSinglestepScheduler": Scheduler("dpmpp-2s", exact=False, spare=True),
    "UniPCMultistepScheduler": Scheduler("unipc-3", exact=False, spare=True),
    "DEISMultistepScheduler": Scheduler("deis-3", exact=False, spare=True),
    "SASolverScheduler": Scheduler("sa-solver", exact=False, spare=True),
    "FlowMatchEulerDiscreteScheduler": Scheduler("ddim", flow=True),
    "FlowMatchHeunDiscreteScheduler": Scheduler("heun", exact=False, flow=True),
}
PATHS = {"linear": "linear", "scaled_linear": "scaled-linear", "squaredcos_cap_v2": "cosine"}
TARGETS: dict[str, TargetName] = {"epsilon": "eps", "v_prediction": "v", "sample": "x"}
SPACINGS = ("leading", "trailing", "linspace")
PLAIN = {
    "trained_betas": (None,), "thresholding": (False,), "use_exponential_sigmas": (False, None),
    "use_beta_sigmas": (False, None), "use_lu_lambdas": (False,), "use_flow_sigmas": (False, None),
    "invert_sigmas": (False,), "stochastic_sampling": (False,), "shift_terminal": (None, 0),
    "timestep_type": ("discrete",), "interpolation_type": ("linear",), "sigma_min": (None,), "sigma_max": (None,),
    "lambda_min_clipped": (-math.inf,),
}  # fmt: skip
"""Options that have no counterpart here, and the values at which they do nothing."""


@dataclass(frozen=True)
class Schedule:
    """What a scheduler's config comes to."""

    path: DiscreteBeta | Flow
    target: TargetName
    grid: TimestepGrid | FlowTimestepGrid
    sampler: str
    exact: bool
    clip: float | None = None
    whole: bool = False  # the network is told the nearest whole timestep of each level


def read_schedule(name: str, config: Mapping[str, Any], pixels: int, ends_at_step: bool) -> Schedule:
    """Map a scheduler of class `name`; what its config leaves out has the class's own default.

    Args:
        name: the class.
        config: as in ``scheduler_config.json``.
        pixels: side of the square that a token of the network stands for, where shifts depend on the size.
        ends_at_step: the pipeline gives flow times 1, 1 - 1/n, ... 1/n itself (FLUX).

    Raises:
        OrnsteinError: an unknown class, prediction type, schedule or spacing, with the known ones; or an option that
            has no counterpart here.
    """
    if name not in SCHEDULERS:
        raise OrnsteinError(f"unknown scheduler {name!r}{nearest(name, SCHEDULERS)}")
    defaults = _defaults(name)
    options = {
        key: config.get(key, value) for key, value in defaults.items()
    }  # as the class reads it: no other keys
    for option, plain in PLAIN.items():
        if options.get(option, plain[0]) not in plain:
            raise OrnsteinError(f"{name}: the option {option}={options[option]!r} is not supported")
    kind = SCHEDULERS[name]
    if kind.flow:
        return _flow(kind, name, options, pixels, ends_at_step)
    target = _known(name, "prediction_type", options, TARGETS)
    path = DiscreteBeta(
        schedule=_known(name, "beta_schedule", options, PATHS), beta_start=options["beta_start"],
        beta_end=options["beta_end"], steps=options["num_train_timesteps"],
        zero_terminal=bool(options.get("rescale_betas_zero_snr", False)),
    )  # fmt: skip
    clip = options.get("clip_sample_range", 1.0) if options.get("clip_sample") else None
    sampler, exact = _method(kind, options, clip)
    grid = _grid(name, kind, options)
    _refuse_singular(name, path, target, grid)
    return Schedule(path, target, grid, sampler, exact, clip, whole=grid.karras and grid.spare)


def _defaults(name: str) -> dict[str, Any]:
    from diffusers import schedulers

    parameters = inspect.signature(getattr(schedulers, name).__init__).parameters
    return {key: value.default for key, value in parameters.items() if value.default is not value.empty}


def _known(name: str, option: str, options: Mapping[str, Any], table: Mapping[str, Any]) -> Any:
    if (value := str(options.get(option))) not in table:
        raise OrnsteinError(f"{name}: unknown {option} {value!r}{nearest(value, table)}")
    return table[value]


def _grid(name: str, kind: Scheduler, options: Mapping[str, Any]) -> TimestepGrid:
    spacing = _known(name, "timestep_spacing", {"timestep_spacing": "leading", **options},
                     {spacing: spacing for spacing in SPACINGS})  # fmt: skip
    if "final_sigmas_type" in options:
        clean = _known(name, "final_sigmas_type", options, {"zero": True, "sigma_min": False})
    else:
        clean = bool(options.get("set_alpha_to_one", True))
    return TimestepGrid(
        spacing=spacing, timesteps=options["num_train_timesteps"], offset=options.get("steps_offset", 0),
        spare=kind.spare, whole=kind.whole, karras=bool(options.get("use_karras_sigmas")), clean=clean,
    )  # fmt: skip


def _method(kind: Scheduler, options: Mapping[str, Any], clip: float | None) -> tuple[str, bool]:
    """The sampler, and whether it is the scheduler's own method."""
    if "algorithm_type" not in options or kind.sampler != "dpmpp-2m":
        # clipped data and the noise that no longer goes with it: DDIM's `use_clipped_model_output` is ours
        clipped = kind.sampler == "ddim" and clip is not None
        enlarged = options.get("variance_type", "fixed_small") != "fixed_small" and kind.sampler == "ddpm"
        # Euler's x_t is of unit data, and what it ends with at its least noise is so, too
        unit = options.get("final_sigmas_type", "zero") == "zero"
        return kind.sampler, kind.exact and unit and not clipped and not enlarged
    plain = options["solver_type"] == "midpoint" and options["final_sigmas_type"] == "zero"
    if options["algorithm_type"] in ("sde-dpmsolver", "sde-dpmsolver++"):
        same = plain and options["algorithm_type"] == "sde-dpmsolver++" and options["solver_order"] == 2
        return "sde-dpmpp-2m", same
    sampler = {1: "ddim", 2: "dpmpp-2m", 3: "dpmpp-3m"}[options["solver_order"]]
    return sampler, plain and options["algorithm_type"] == "dpmsolver++" and options["solver_order"] < 3


def _refuse_singular(name: str, path: DiscreteBeta, target: TargetName, grid: TimestepGrid) -> None:
    starts_at_noise = grid.spacing != "leading" and path.zero_terminal
    if starts_at_noise and target == "eps":
        raise OrnsteinError(f"{name}: epsilon says nothing of the data in pure noise; v_prediction does")
    if path.zero_terminal and grid.karras:
        raise OrnsteinError(f"{name}: use_karras_sigmas has no first level where the last one is pure noise")


def _flow(
    kind: Scheduler, name: str, options: Mapping[str, Any], pixels: int, ends_at_step: bool
) -> Schedule:
    if options.get("use_karras_sigmas"):
        raise OrnsteinError(f"{name}: the option use_karras_sigmas=True is not supported")
    shift, count = float(options["shift"]), options["num_train_timesteps"]
    if options.get("use_dynamic_shifting"):
        linear = _known(name, "time_shift_type", options, {"exponential": False, "linear": True})
        tokens = options["base_image_seq_len"], options["max_image_seq_len"]
        shifts = options["base_shift"], options["max_shift"]
        dynamic, first = DynamicShift(tokens=tokens, shifts=shifts, pixels=pixels, linear=linear), 1 / count
    else:  # the class shifts its last level when it is made, and again when it is asked for a grid
        dynamic, first = None, shift / count / (1 + (shift - 1) / count)
    grid = FlowTimestepGrid(shift=shift, last=None if ends_at_step else first, dynamic=dynamic)
    return Schedule(Flow(), "flow", grid, kind.sampler, kind.exact)
