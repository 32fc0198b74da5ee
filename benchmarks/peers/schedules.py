"""An Ornstein model driven by diffusers' schedulers: their loop, their coefficients, our network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor

from ornstein.denoise.algebra import TargetName, compose
from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.model import Model
from ornstein.process.gaussian import DiscreteBeta
from ornstein.process.noise import row_noise

SCHEDULERS: dict[str, Callable[..., Any]] = {
    "ddim": partial(DDIMScheduler, clip_sample=False), "dpmpp": DPMSolverMultistepScheduler,
    "dpmpp-karras": partial(DPMSolverMultistepScheduler, use_karras_sigmas=True), "ddpm": DDPMScheduler,
}  # fmt: skip
"""Defaults, but for two. DDIM does not clip the clean sample, as in the pipelines whose samples are guided: clipped but
for the noise that goes with it, guided pictures brighten step by step. Karras' levels are what diffusers' documentation
advises for few steps of DPM-Solver++."""
TARGETS: dict[str, TargetName] = {"epsilon": "eps", "sample": "x", "v_prediction": "v"}
"""What the schedulers' prediction types are called here."""


def scheduler(name: str, model: Model, **options: Any) -> Any:
    """The scheduler called `name`; one that clips the clean sample does so at black and white in the model's units."""
    if name == "ddpm":
        options["clip_sample_range"] = 1 / model.recipe.codec.deviation
    return SCHEDULERS[name](**options)


def predicted(kind: str, x_t: Tensor, mean: Tensor, alpha_bar: Tensor) -> Tensor:
    """What a network that believes the clean sample is `mean` says under a prediction type.

    Args:
        kind: a scheduler's ``prediction_type``.
        x_t: the noisy sample.
        mean: shaped like it.
        alpha_bar: share of the data's variance in `x_t`, ().

    Raises:
        KeyError: an unknown prediction type.
    """
    a, s = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    return compose(TARGETS[kind], mean, (x_t - a * mean) / s, a, s)


@torch.inference_mode()
def drawn(
    model: Model, schedule: Any, steps: int, prompts: Sequence[str], seeds: Sequence[int]
) -> np.ndarray:
    """Pictures uint8 (B, H, W, C) of one batch, as a diffusers pipeline would make them.

    The same noise, guidance scale, dtype and joint batch of guided rows as in ``Model.generate``; guidance acts at
    every step, as it does in the pipelines.
    """
    sampling, codec = model.recipe.sampling, model.recipe.codec
    path = DiscreteBeta()  # what the schedulers' default betas are
    denoiser = ClassifierFree(replace(model.denoiser(), path=path))
    condition = Guided(
        model.encoder.encode(prompts),
        model.encoder.encode([""] * len(prompts)),
        torch.full((len(prompts),), sampling.guidance),
    )
    x = row_noise(seeds, 0, torch.empty(len(prompts), sampling.size, sampling.size, codec.channels))
    assert isinstance(x, Tensor)
    generator = torch.Generator().manual_seed(seeds[0])
    options = {"generator": generator} if "generator" in signature(schedule.step).parameters else {}
    schedule.set_timesteps(steps)
    for timestep in schedule.timesteps:
        time = ((timestep + 1) / path.steps).expand(len(x))
        mean = denoiser(x, time, condition).mean
        assert isinstance(mean, Tensor)
        output = predicted(schedule.config.prediction_type, x, mean, schedule.alphas_cumprod[int(timestep)])
        x = schedule.step(output, timestep, x, **options).prev_sample
    return codec.decode(x)
