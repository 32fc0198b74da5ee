"""An imported model makes the picture that diffusers' own pipeline makes of the same noise, in every family."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMPipeline,
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
)
from diffusers.schedulers import scheduling_ddpm, scheduling_euler_ancestral_discrete
from torch import Tensor

from ornstein.process.noise import row_noise
from tests.interop.conftest import Both
from tests.interop.tiny import SCALED

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
SEED, STEPS, SIDE = 3, 4, 32
PROMPT, NEGATIVE = "a cat.", "a dog"
TEXT = (
    "stable_diffusion", "stable_diffusion_2", "stable_diffusion_xl", "stable_diffusion_3",
    "stable_diffusion_3_without_t5", "flux", "pixart", "pixart_1024",
)  # fmt: skip


def ours(
    both: Both, prompt: str = PROMPT, side: int = SIDE, negative: str = "", **settings: Any
) -> list[Tensor]:
    """The noise it starts from, and the result, channels first."""
    model = both.model
    sampling = model.recipe.sampling
    states = model.trajectory(
        [prompt], [SEED], steps=[STEPS], guidance=[settings.get("guidance", sampling.guidance)],
        sampler=sampling.sampler, negatives=[negative], size=side, dtype=torch.float32,
    )  # fmt: skip
    every = [state.x for state in states]
    return [every[0].movedim(-1, 1), every[-1].movedim(-1, 1)]


def theirs(both: Both, noise: Tensor, side: int = SIDE, **options: Any) -> Tensor:
    """Latents of their pipeline, at its own defaults but for the number of steps."""
    pipe = both.pipe
    name = type(pipe).__name__
    settings: dict[str, Any] = {"prompt": PROMPT, "height": side, "width": side, "latents": noise}
    if name == "FluxPipeline":
        settings["latents"] = pipe._pack_latents(noise, 1, noise.shape[1], *noise.shape[2:])
    if name == "PixArtAlphaPipeline":
        settings |= {"use_resolution_binning": False, "clean_caption": False}
    made = pipe(**settings, num_inference_steps=STEPS, output_type="latent", **options).images
    return pipe._unpack_latents(made, side, side, pipe.vae_scale_factor) if name == "FluxPipeline" else made


def assert_same(mine: Tensor, wanted: Tensor) -> None:
    """Equal to 1e-4 of the latents' own size: random weights make them as large as they please."""
    size = max(1.0, float(wanted.std()))
    torch.testing.assert_close(mine / size, wanted / size, rtol=0, atol=1e-4)


def drawn_as_ours(like: Tensor) -> Callable[..., Tensor]:
    """Stands in for their `randn_tensor`: our noise of each step in turn."""
    step = 0

    def draw(shape: Any, **_: Any) -> Tensor:
        nonlocal step
        step += 1
        noise = row_noise([SEED], step, like.movedim(1, -1))
        assert isinstance(noise, Tensor)
        return noise.movedim(-1, 1)

    return draw


@pytest.mark.parametrize("family", TEXT)
def test_text_to_latents_with_guidance(both: Callable[..., Both], family: str) -> None:
    pair = both(family)
    noise, mine = ours(pair)
    assert_same(mine, theirs(pair, noise))


@pytest.mark.parametrize(
    "family", ["stable_diffusion", "stable_diffusion_xl", "stable_diffusion_3", "pixart"]
)
def test_negative_prompts(both: Callable[..., Both], family: str) -> None:
    pair = both(family)
    noise, mine = ours(pair, negative=NEGATIVE, guidance=3.0)
    assert_same(mine, theirs(pair, noise, negative_prompt=NEGATIVE, guidance_scale=3.0))


@pytest.mark.parametrize("family", ["stable_diffusion", "stable_diffusion_3"])
def test_latents_to_the_same_values(both: Callable[..., Both], family: str) -> None:
    pair = both(family)
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    config, autoencoder = pair.pipe.vae.config, pair.pipe.vae
    with torch.inference_mode():
        decoded = autoencoder.decode(latents / config.scaling_factor + (config.shift_factor or 0.0)).sample
    wanted = pair.pipe.image_processor.postprocess(decoded, output_type="np")
    x = latents.movedim(1, -1)
    np.testing.assert_allclose(pair.model.codec.values(x).numpy(), wanted, atol=1e-4)
    rounded = pair.model.codec.decode(x).astype(float)
    assert np.abs(rounded - wanted * 255).max() < 0.51


@pytest.mark.parametrize(
    "scheduler",
    [
        DDIMScheduler(**SCALED, clip_sample=False, timestep_spacing="trailing"),
        DPMSolverMultistepScheduler(**SCALED, steps_offset=1),
        DPMSolverMultistepScheduler(**SCALED, timestep_spacing="leading", steps_offset=1),
        DPMSolverMultistepScheduler(**SCALED, timestep_spacing="trailing"),
        DPMSolverMultistepScheduler(**SCALED, use_karras_sigmas=True),
        EulerDiscreteScheduler(**SCALED, timestep_spacing="leading", steps_offset=1, use_karras_sigmas=True),
    ],
    ids=["ddim-trailing", "dpm", "dpm-leading", "dpm-trailing", "dpm-karras", "euler-karras"],
)
def test_schedulers(both: Callable[..., Both], scheduler: Any) -> None:
    pair = both("stable_diffusion", scheduler)
    noise, mine = ours(pair)
    assert pair.model.recipe.source.exact
    assert_same(mine, theirs(pair, noise))


@pytest.mark.parametrize("spacing", ["linspace", "trailing"])
def test_euler_from_noise_of_its_own_size(both: Callable[..., Both], spacing: str) -> None:
    """With these spacings theirs starts as if x_T held no data at all, a little smaller than the path says."""
    pair = both("stable_diffusion", EulerDiscreteScheduler(**SCALED, timestep_spacing=spacing))
    noise, mine = ours(pair)
    pair.pipe.scheduler.set_timesteps(STEPS)
    sigma = pair.pipe.scheduler.sigmas[0]
    assert_same(mine, theirs(pair, noise * (sigma**2 + 1) ** 0.5 / sigma))


def test_euler_ancestral_with_the_same_noise(
    both: Callable[..., Both], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = both("stable_diffusion", EulerAncestralDiscreteScheduler(**SCALED, timestep_spacing="leading"))
    noise, mine = ours(pair)
    monkeypatch.setattr(scheduling_euler_ancestral_discrete, "randn_tensor", drawn_as_ours(noise))
    assert_same(mine, theirs(pair, noise))


def test_classes(both: Callable[..., Both], monkeypatch: pytest.MonkeyPatch) -> None:
    pair = both("dit")
    noise, mine = ours(pair, prompt="Goldfish")
    monkeypatch.setattr(sys.modules[type(pair.pipe).__module__], "randn_tensor", lambda *_, **__: noise)
    wanted = pair.pipe([1], num_inference_steps=STEPS, output_type="np").images
    np.testing.assert_allclose(pair.model.codec.values(mine.movedim(1, -1)).numpy(), wanted, atol=1e-4)


def test_unconditional_with_the_same_noise(
    both: Callable[..., Both], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = both("unconditional", DDPMScheduler(clip_sample=True))
    noise, mine = ours(pair, side=16)
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", drawn_as_ours(noise))
    monkeypatch.setattr(sys.modules[type(pair.pipe).__module__], "randn_tensor", lambda *_, **__: noise)
    wanted = pair.pipe(num_inference_steps=STEPS, output_type="np").images
    values = (mine.movedim(1, -1) / 2 + 0.5).clamp(0, 1)
    np.testing.assert_allclose(values.numpy(), wanted, atol=1e-4)


def test_clipped_ddim_takes_the_noise_that_goes_with_the_clipped_guess(
    both: Callable[..., Both], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = both("unconditional", DDIMScheduler())
    assert not pair.model.recipe.source.exact
    noise, mine = ours(pair, side=16)
    pipe: Any = DDIMPipeline(pair.pipe.unet, pair.pipe.scheduler)
    pipe.set_progress_bar_config(disable=True)
    monkeypatch.setattr(sys.modules[DDIMPipeline.__module__], "randn_tensor", lambda *_, **__: noise)
    options = {"use_clipped_model_output": True, "num_inference_steps": STEPS, "output_type": "np"}
    values = (mine.movedim(1, -1) / 2 + 0.5).clamp(0, 1)
    np.testing.assert_allclose(values.numpy(), pipe(**options).images, atol=1e-4)


def test_a_model_that_is_told_its_guidance_asks_once(both: Callable[..., Both]) -> None:
    pair = both("flux")
    rows: list[int] = []
    handle = pair.model.network.network.register_forward_pre_hook(
        lambda module, arguments, named: rows.append(len(named["hidden_states"])), with_kwargs=True
    )
    noise, mine = ours(pair, guidance=6.0)
    handle.remove()
    assert rows == [1] * STEPS
    assert_same(mine, theirs(pair, noise, guidance_scale=6.0))
