"""A published autoencoder as codec: pictures to scaled latents and back."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ornstein.interop.load import load_diffusers
from ornstein.recipes.imported import ImportedCodec


class AutoencoderAdapter:
    """Latents times the config's factor, less its shift; pictures one by one, since a decoder's memory is their size.

    Args:
        codec: shapes.
        folder: of the autoencoder; its weights are read when they are first needed.
    """

    def __init__(self, codec: ImportedCodec, folder: Path) -> None:
        self.codec, self._folder = codec, folder
        self._loaded: Any = None
        self._loading = Lock()  # a server decodes in several threads

    @torch.inference_mode()
    def encode(self, data: np.ndarray) -> Tensor:
        """uint8 (B, H, W, 3) to float32 (B, H / factor, W / factor, latents): the mean of the encoder's posterior."""
        autoencoder = self._load(torch.float32, torch.device("cpu"))
        pixels = torch.from_numpy(data).float().div(127.5).sub(1).movedim(-1, 1)
        rows = [autoencoder.encode(row[None]).latent_dist.mean[0] for row in pixels]
        mean, deviation = self._moments(autoencoder)
        return ((torch.stack(rows) - mean) / deviation).movedim(1, -1)

    def decode(self, x: Tensor, dtype: torch.dtype = torch.float32) -> np.ndarray:
        """Latents (B, h, w, latents) to uint8 (B, H, W, 3), as diffusers rounds."""
        return (self.values(x, dtype) * 255).round().to(torch.uint8).cpu().numpy()

    @torch.inference_mode()
    def values(self, x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Latents to (B, H, W, 3) float32 in [0, 1], before rounding; computed in `dtype`.

        What configs say of upcasting concerns float16, in which decoders overflow; bfloat16 has float32's range.
        """
        autoencoder = self._load(dtype, x.device)
        mean, deviation = self._moments(autoencoder)
        latents = (x.detach().float().movedim(-1, 1) * deviation.to(x.device) + mean.to(x.device)).to(
            autoencoder.dtype
        )
        rows = [autoencoder.decode(row[None], return_dict=False)[0][0] for row in latents]
        return (torch.stack(rows).float() / 2 + 0.5).clamp(0, 1).movedim(1, -1)

    def _load(self, dtype: torch.dtype, device: torch.device) -> Any:
        with self._loading:
            if self._loaded is None or self._loaded.dtype != dtype:
                loaded = load_diffusers("AutoencoderKL", self._folder, dtype)
                self._loaded = loaded.to(memory_format=torch.channels_last)
            return self._loaded.to(device)

    @staticmethod
    def _moments(autoencoder: Any) -> tuple[Tensor, Tensor]:
        """What is added to latents, and what they are multiplied with before: (1, C or 1, 1, 1) each."""
        config = autoencoder.config
        scale = _channels([1 / config.scaling_factor])
        means, deviations = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
        if means and deviations:
            return _channels(means), _channels(deviations) * scale
        return _channels([config.shift_factor or 0.0]), scale


def _channels(values: list[float]) -> Tensor:
    """(1, C, 1, 1) float32."""
    return torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)
