"""diffusers' unconditional training example in the contest.

Network, scheduler, averaged weights and pipeline are the library's own. The example is a script that the package does
not hold; its loop is written out here after
https://github.com/huggingface/diffusers/blob/main/examples/unconditional_image_generation/train_unconditional.py with
the settings of the command in its README. Its random flips are left out: they would draw clothes the data do not hold.
Its cosine schedule runs by the clock, so that it ends with the budget.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from contest import SAMPLE_BATCH, Pictures, affordable, faster_dtype, timed, to_bytes
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.pipelines.ddim.pipeline_ddim import DDIMPipeline
from diffusers.pipelines.ddpm.pipeline_ddpm import DDPMPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.training_utils import EMAModel
from torch.nn import functional as F

TIMESTEPS = 1000  # the example trains and samples with as many


@dataclass(frozen=True)
class Settings:
    """How to train; the defaults are the example's.

    Attributes:
        widths: channels by level; attention in the level before the coarsest, or in the coarsest of three.
        side: of the network's pictures. batch: pictures a step. rate: of AdamW. warmup: steps.
        dtype: of products; None for the faster one.
    """

    widths: tuple[int, ...] = (128, 256, 256, 512, 512)
    side: int = 32
    batch: int = 16
    rate: float = 1e-4
    warmup: int = 500
    dtype: torch.dtype | None = torch.float32


DOCUMENTED = Settings()
"""The example's network from its second level on: the first is for 64 px."""

TUNED = Settings(widths=(32, 64, 128), side=28, batch=32, rate=5e-4, warmup=100, dtype=None)
"""Small and quick, found for this data: what someone who knows the library might choose."""


class Unconditional:
    """The example in training, as a ``contest.Contestant``.

    Args:
        pictures: to train on, uint8 (N, 28, 28, 1).
        settings: how.
        limit: seconds that drawing one set of samples may take.
        seed: of weights and draws.
    """

    def __init__(self, pictures: np.ndarray, settings: Settings, limit: float, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self._network, self._scheduler = network(settings), DDPMScheduler(num_train_timesteps=TIMESTEPS)
        self._settings, self._limit, self._step = settings, limit, 0
        self._sampling_steps: int | None = None
        self._margin = (settings.side - pictures.shape[1]) // 2
        self._batch = Pictures(pictures, settings.batch, settings.side, seed)
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(), lr=settings.rate, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
        )
        self._ema = EMAModel(
            self._network.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=3 / 4
        )
        self._dtype = settings.dtype or faster_dtype(self._gradients)
        self._optimiser.zero_grad()
        parameters = sum(p.numel() for p in self._network.parameters())
        self.settings: dict[str, Any] = {
            "parameters": parameters,
            **asdict(settings),
            "dtype": str(self._dtype),
        }

    def step(self, share: float) -> None:
        """As ``Contestant``: one turn of the example's loop."""
        warm = min(1.0, self._step / self._settings.warmup)
        self._optimiser.param_groups[0]["lr"] = (
            self._settings.rate * warm * (1 + math.cos(math.pi * share)) / 2
        )
        self._gradients(self._dtype)
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._ema.step(self._network.parameters())
        self._step += 1

    def sample(self, count: int, seed: int) -> tuple[np.ndarray, str]:
        """As ``Contestant``: its DDPM pipeline on the averaged weights, or DDIM in as many steps as time allows."""
        generator = torch.Generator().manual_seed(seed)
        self._ema.store(self._network.parameters())
        self._ema.copy_to(self._network.parameters())
        self._network.eval()
        steps = self._sampling_steps or affordable(TIMESTEPS, self._one_step, count, self._limit)
        self._sampling_steps = steps  # every checkpoint is drawn alike
        made = [
            self._draw(steps, min(SAMPLE_BATCH, count - start), generator)
            for start in range(0, count, SAMPLE_BATCH)
        ]
        self._network.train()
        self._ema.restore(self._network.parameters())
        name = "DDPM" if steps == TIMESTEPS else "DDIM"
        return to_bytes(np.concatenate(made), self._margin), f"{name}, {steps} steps"

    def _gradients(self, dtype: torch.dtype) -> None:
        clean = self._batch() * 2 - 1
        noise = torch.randn_like(clean)
        timesteps = torch.randint(0, TIMESTEPS, (len(clean),))
        noisy = self._scheduler.add_noise(clean, noise, timesteps)  # pyright: ignore[reportArgumentType]
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            output = self._network(noisy, timesteps).sample
        F.mse_loss(output.float(), noise).backward()

    def _draw(self, steps: int, count: int, generator: torch.Generator) -> np.ndarray:
        if steps == TIMESTEPS:
            pipe: Any = DDPMPipeline(self._network, self._scheduler)
        else:
            quick: Any = DDIMScheduler.from_config(self._scheduler.config)
            pipe = DDIMPipeline(self._network, quick)
        pipe.set_progress_bar_config(disable=True)
        with torch.autocast("cpu", self._dtype, enabled=self._dtype != torch.float32):
            return pipe(
                batch_size=count, generator=generator, num_inference_steps=steps, output_type="np"
            ).images

    def _one_step(self) -> float:
        generator = torch.Generator().manual_seed(0)
        self._draw(1, SAMPLE_BATCH, generator)
        return timed(lambda: self._draw(1, SAMPLE_BATCH, generator))


def network(settings: Settings) -> UNet2DModel:
    """The example's U-Net: two residual layers a level, attention where ``Settings`` says."""
    depth = len(settings.widths)
    level = depth - 2 if depth > 3 else depth - 1
    down = ["AttnDownBlock2D" if k == level else "DownBlock2D" for k in range(depth)]
    up = [kind.replace("Down", "Up") for kind in reversed(down)]
    return UNet2DModel(
        sample_size=settings.side, in_channels=1, out_channels=1, layers_per_block=2,
        block_out_channels=settings.widths, down_block_types=tuple(down), up_block_types=tuple(up),
    )  # fmt: skip
