"""denoising-diffusion-pytorch in the contest.

Network, process, loss, sampler and averaged weights are the library's own. The loop is that of its ``Trainer``
(https://github.com/lucidrains/denoising-diffusion-pytorch), whose data set reads picture files one by one: here it gets
the same tensors as everyone. Its horizontal flips are left out: they would draw clothes that the data do not hold.

The library imports torchvision, which has no build for a CPU-only torch, for picture transforms and grids of files.
Neither is used here, so where torchvision is absent an empty module stands in while the library is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from contest import SAMPLE_BATCH, Pictures, affordable, falling, faster_dtype, timed, to_bytes

from ornstein.errors import OrnsteinError

TIMESTEPS, SAMPLING_TIMESTEPS = 1000, 250  # of the README


@dataclass(frozen=True)
class Settings:
    """How to train; the defaults are the README's.

    Attributes:
        dim, dim_mults: of the U-Net. side: of its pictures, a multiple of its coarsest pixel.
        batch: pictures a backward pass. accumulate: passes a step. rate: of Adam.
        ema_decay, ema_every: of the averaged weights. decay: whether the rate falls as in Ornstein's recipes.
        dtype: bfloat16 where the README turns mixed precision on (its float16 needs a GPU); None for the faster one.
    """

    dim: int = 64
    dim_mults: tuple[int, ...] = (1, 2, 4, 8)
    side: int = 32
    batch: int = 32
    accumulate: int = 2
    rate: float = 8e-5
    ema_decay: float = 0.995
    ema_every: int = 10
    decay: bool = False
    dtype: torch.dtype | None = torch.bfloat16


DOCUMENTED = Settings()
"""The README's example."""

TUNED = Settings(
    dim=32, dim_mults=(1, 2, 4), side=28, batch=32, accumulate=1, rate=5e-4, ema_every=1, decay=True, dtype=None
)  # fmt: skip
"""Small and quick, found for this data: what someone who knows the library might choose."""


class DenoisingDiffusion:
    """The library in training, as a ``contest.Contestant``.

    Args:
        pictures: to train on, uint8 (N, 28, 28, 1).
        settings: how.
        limit: seconds that drawing one set of samples may take.
        seed: of weights and draws.

    Raises:
        OrnsteinError: the library is not installed.
    """

    def __init__(self, pictures: np.ndarray, settings: Settings, limit: float, seed: int = 0) -> None:
        library, averaging = library_modules()
        torch.manual_seed(seed)
        network = library.Unet(dim=settings.dim, dim_mults=settings.dim_mults, channels=1, flash_attn=False)
        self._diffusion = library.GaussianDiffusion(
            network, image_size=settings.side, timesteps=TIMESTEPS, sampling_timesteps=SAMPLING_TIMESTEPS
        )
        self._settings, self._limit = settings, limit
        self._sampling_steps: int | None = None
        self._margin = (settings.side - pictures.shape[1]) // 2
        self._batch = Pictures(pictures, settings.batch, settings.side, seed)
        self._optimiser = torch.optim.Adam(network.parameters(), lr=settings.rate, betas=(0.9, 0.99))
        self._ema = averaging.EMA(self._diffusion, beta=settings.ema_decay, update_every=settings.ema_every)
        self._dtype = settings.dtype or faster_dtype(self._gradients)
        self._optimiser.zero_grad()
        self.settings: dict[str, Any] = {
            "parameters": sum(p.numel() for p in network.parameters()), **asdict(settings), "dtype": str(self._dtype),
        }  # fmt: skip

    def step(self, share: float) -> None:
        """As ``Contestant``: one turn of the loop of ``Trainer.train``."""
        if self._settings.decay:
            self._optimiser.param_groups[0]["lr"] = self._settings.rate * falling(share)
        for _ in range(self._settings.accumulate):
            self._gradients(self._dtype)
        torch.nn.utils.clip_grad_norm_(self._diffusion.parameters(), 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._ema.update()

    def sample(self, count: int, seed: int) -> tuple[np.ndarray, str]:
        """As ``Contestant``: the library's DDIM on the averaged weights, in 250 steps or as many as time allows."""
        torch.manual_seed(seed)
        diffusion = self._ema.ema_model.eval()
        steps = self._sampling_steps or affordable(
            SAMPLING_TIMESTEPS, lambda: self._one_step(diffusion), count, self._limit
        )
        self._sampling_steps = steps  # every checkpoint is drawn alike
        made = torch.cat(
            [
                self._draw(diffusion, steps, min(SAMPLE_BATCH, count - k))
                for k in range(0, count, SAMPLE_BATCH)
            ]
        )
        return to_bytes(made.movedim(1, -1), self._margin), f"DDIM, {steps} steps"

    def _gradients(self, dtype: torch.dtype) -> None:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            loss = self._diffusion(self._batch()) / self._settings.accumulate
        loss.backward()

    def _draw(self, diffusion: Any, steps: int, count: int) -> torch.Tensor:
        diffusion.sampling_timesteps, diffusion.is_ddim_sampling = steps, steps < TIMESTEPS
        with torch.autocast("cpu", self._dtype, enabled=self._dtype != torch.float32):
            return diffusion.sample(batch_size=count).float()

    def _one_step(self, diffusion: Any) -> float:
        self._draw(diffusion, 1, SAMPLE_BATCH)
        return timed(lambda: self._draw(diffusion, 1, SAMPLE_BATCH))


def library_modules() -> tuple[Any, Any]:
    """The library's module and that of its averaged weights, with its progress bars off.

    Raises:
        OrnsteinError: not installed.
    """
    try:
        with _without_torchvision():
            library: Any = importlib.import_module("denoising_diffusion_pytorch.denoising_diffusion_pytorch")
        averaging = importlib.import_module("ema_pytorch")
    except ModuleNotFoundError as error:
        raise OrnsteinError(f"{error.name} is not installed; see benchmarks/peers/README.md") from error
    library.tqdm = lambda items, **_: items
    return library, averaging


@contextmanager
def _without_torchvision() -> Iterator[None]:
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is not None:
        yield
        return
    stand_in: Any = ModuleType("torchvision")
    stand_in.transforms = stand_in.utils = None  # the names the library imports
    sys.modules["torchvision"] = stand_in
    try:
        yield
    finally:
        del sys.modules["torchvision"]
