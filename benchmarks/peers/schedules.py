"""An Ornstein model driven by diffusers' schedulers: their loop, their coefficients, our network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_deis_multistep import DEISMultistepScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_sasolver import SASolverScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from torch import Tensor

from ornstein.denoise.algebra import TargetName, compose
from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.model import Model
from ornstein.process.gaussian import Coefficients
from ornstein.process.noise import row_noise

SCHEDULERS: dict[str, Callable[..., Any]] = {
    "ddim": partial(DDIMScheduler, clip_sample=False), "dpmpp": DPMSolverMultistepScheduler,
    "dpmpp-karras": partial(DPMSolverMultistepScheduler, use_karras_sigmas=True), "ddpm": DDPMScheduler,
    "dpmpp-lambdas": partial(DPMSolverMultistepScheduler, use_lu_lambdas=True),
    "sde-dpmpp-karras": partial(
        DPMSolverMultistepScheduler, use_karras_sigmas=True, algorithm_type="sde-dpmsolver++"
    ),
    "unipc": UniPCMultistepScheduler, "unipc-karras": partial(UniPCMultistepScheduler, use_karras_sigmas=True),
    "deis": DEISMultistepScheduler, "deis-karras": partial(DEISMultistepScheduler, use_karras_sigmas=True),
    "dpmpp-flow": partial(DPMSolverMultistepScheduler, prediction_type="flow_prediction", use_flow_sigmas=True),
    "unipc-flow": partial(UniPCMultistepScheduler, prediction_type="flow_prediction", use_flow_sigmas=True),
    "sa-karras": partial(SASolverScheduler, use_karras_sigmas=True),
}  # fmt: skip
"""Defaults, but for two. DDIM does not clip the clean sample, as in the pipelines whose samples are guided: clipped but
for the noise that goes with it, guided pictures brighten step by step. Karras' levels are what diffusers' documentation
advises for few steps of DPM-Solver++."""
TARGETS: dict[str, TargetName] = {
    "epsilon": "eps", "sample": "x", "v_prediction": "v", "flow_prediction": "flow"
}  # fmt: skip
"""What the schedulers' prediction types are called here."""


def scheduler(name: str, model: Model, **options: Any) -> Any:
    """The scheduler called `name`; one that clips the clean sample does so at black and white in the model's units."""
    if name == "ddpm":
        options["clip_sample_range"] = 1 / model.recipe.codec.deviation
    return SCHEDULERS[name](**options)


def predicted(kind: str, x_t: Tensor, mean: Tensor, here: Coefficients) -> Tensor:
    """What a network that believes the clean sample is `mean` says under a prediction type.

    Args:
        kind: a scheduler's ``prediction_type``.
        x_t: the noisy sample.
        mean: shaped like it.
        here: how much data and noise `x_t` holds, ().

    Raises:
        KeyError: an unknown prediction type.
    """
    alpha, sigma = here.alpha.to(x_t), here.sigma.to(x_t)
    return compose(TARGETS[kind], mean, (x_t - alpha * mean) / sigma, alpha, sigma)


def standing(schedule: Any, step: int) -> Coefficients:
    """How much data and noise the scheduler itself takes its sample to hold before a step, (): exact, where the
    timestep that a pipeline would tell its network is rounded.
    """
    if not hasattr(schedule, "sigmas"):
        alpha_bar = schedule.alphas_cumprod[int(schedule.timesteps[step])].double()
        return Coefficients(alpha_bar.sqrt(), (1 - alpha_bar).sqrt())
    sigma = torch.as_tensor(schedule.sigmas[step]).double()
    if schedule.config.get("use_flow_sigmas"):
        return Coefficients(1 - sigma, sigma)
    alpha = (1 + sigma**2).rsqrt()
    return Coefficients(alpha, sigma * alpha)


@torch.inference_mode()
def drawn(
    model: Model,
    schedule: Any,
    steps: int,
    prompts: Sequence[str],
    seeds: Sequence[int],
    interval: tuple[float, float] = (0.0, 1.0),
) -> np.ndarray:
    """Pictures uint8 (B, H, W, C) of one batch, as a diffusers pipeline would make them.

    The same noise, guidance scale, dtype and joint batch of guided rows as in ``Model.generate``. Guidance acts at
    every step, as it does in the pipelines, unless an `interval` of the model's own times is given.
    """
    sampling, codec, path = model.recipe.sampling, model.recipe.codec, model.recipe.process.path
    denoiser = ClassifierFree(model.denoiser(), interval)
    condition = Guided(
        model.encoder.encode(prompts),
        model.encoder.encode([""] * len(prompts)),
        torch.full((len(prompts),), sampling.guidance),
    )
    x = row_noise(seeds, 0, torch.empty(len(prompts), *codec.shape(sampling.size)))
    assert isinstance(x, Tensor)
    generator = torch.Generator().manual_seed(seeds[0])
    options = {"generator": generator} if "generator" in signature(schedule.step).parameters else {}
    schedule.set_timesteps(steps)
    for step, timestep in enumerate(schedule.timesteps):
        here = standing(schedule, step)
        time = path.time(here.logsnr)  # where the model's own path holds as much noise
        scaled = x * (path(time).scale / here.scale).float()
        mean = denoiser(scaled, time.float().expand(len(x)), condition).mean
        assert isinstance(mean, Tensor)
        output = predicted(schedule.config.prediction_type, x, mean, here)
        x = schedule.step(output, timestep, x, **options).prev_sample
    return codec.decode(x)
