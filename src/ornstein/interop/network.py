"""A network of the diffusers library, asked as ours are: noise levels as logsnr, channels last, unit variance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ornstein.denoise.algebra import level
from ornstein.denoise.precondition import LOGSNR_LIMIT
from ornstein.interop.attention import SlicedAttention
from ornstein.interop.load import load_diffusers, return_memory
from ornstein.net.packed import pack, packs
from ornstein.process.gaussian import DiscreteBeta
from ornstein.recipes.imported import Family, ImportedCodec, ImportedRecipe

FLOW_TIMESTEPS = 1000.0  # what flow networks call the noisiest time
WHOLE = 0.02  # a timestep nearer than this to a whole one was one, before logsnr rounded it


class NetworkAdapter(nn.Module):
    """Calls a published network; its weights are in one dtype and computing is in the same.

    Args:
        recipe: says how it is called.
        folder: of the pipeline.
        dtype: of the weights in memory.

    Raises:
        OrnsteinError: weights that are not those of the class and config.
    """

    def __init__(self, recipe: ImportedRecipe, folder: Path, dtype: torch.dtype) -> None:
        super().__init__()
        self._recipe, self._folder, self._path = recipe, folder, recipe.process.path
        self._factor = recipe.codec.factor if isinstance(recipe.codec, ImportedCodec) else 1
        self._call = CALLS[recipe.network.family]
        self._load(dtype)

    @torch.inference_mode(False)  # else weights read within it could never be differentiated through
    def _load(self, dtype: torch.dtype) -> None:
        self.dtype, self._packed = dtype, False
        part = "unet" if (self._folder / "unet").is_dir() else "transformer"
        self.network = load_diffusers(self._recipe.network.network, self._folder / part, dtype)
        if any(
            isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1)
            for module in self.network.modules()
        ):
            self.network.to(memory_format=torch.channels_last)  # as our samples lie in memory
            return_memory()  # of the weights as they lay before

    def ready(self, dtype: torch.dtype) -> NetworkAdapter:
        """This network with weights in `dtype`; on the CPU packed where gradients are not wanted (``net.packed``).

        They are read again where they were in another dtype, or are packed and gradients are wanted.
        """
        device = next(self.network.parameters()).device
        packed = device.type == "cpu" and packs(dtype) and not torch.is_grad_enabled()
        if dtype != self.dtype or (self._packed and not packed):
            del self.network
            self._load(dtype)
            self.network.to(device)
        if packed and not self._packed:
            pack(self.network, dtype)
            self._packed = True
            return_memory()
        return self

    def forward(self, z: Tensor, logsnr: Tensor, *condition: Tensor) -> Tensor:
        """Map (B, H, W, C) at logsnr (B,) to the target, of the same shape and in the network's dtype."""
        x, timestep = self._own_coordinates(z, logsnr)
        x = x.movedim(-1, 1).to(self.dtype)
        with SlicedAttention():
            output = self._call(self, x, timestep, *condition)
        return output[:, : x.shape[1]].movedim(1, -1)  # of a learned sigma's channels only the first half

    def _own_coordinates(self, z: Tensor, logsnr: Tensor) -> tuple[Tensor, Tensor]:
        """The checkpoint's own noisy sample, and timesteps (B,) float32."""
        # the limit was put there; filled and not multiplied with infinity, whose gradient is no number anywhere
        beyond = logsnr.masked_fill(logsnr >= LOGSNR_LIMIT, torch.inf)
        beyond = beyond.masked_fill(logsnr <= -LOGSNR_LIMIT, -torch.inf)
        time = self._path.time(beyond.double())
        if isinstance(self._path, DiscreteBeta):
            timestep = (time * self._path.steps - 1).clamp(min=0)
            whole, within = timestep.round(), 0.5 if self._recipe.network.whole else WHOLE
            snapped = torch.where((timestep - whole).abs() <= within, whole, timestep)
            return z, (timestep + (snapped - timestep).detach()).float()  # gradients see through the rounding
        data, noise = level(logsnr)
        return z / (data + noise)[:, None, None, None], (time * FLOW_TIMESTEPS).float()

    def sides(self, x: Tensor) -> tuple[int, int]:
        """Height and width of the picture that (B, C, H, W) encodes."""
        return x.shape[-2] * self._factor, x.shape[-1] * self._factor


def _stable_diffusion(adapter: NetworkAdapter, x: Tensor, timestep: Tensor, states: Tensor) -> Tensor:
    return adapter.network(x, timestep, states.to(x), return_dict=False)[0]


def _stable_diffusion_xl(
    adapter: NetworkAdapter, x: Tensor, timestep: Tensor, states: Tensor, pooled: Tensor
) -> Tensor:
    height, width = adapter.sides(x)
    size = torch.tensor([height, width, 0, 0, height, width]).to(x)  # original, top left of the crop, target
    added = {"text_embeds": pooled.to(x), "time_ids": size.expand(len(x), -1)}
    return adapter.network(x, timestep, states.to(x), added_cond_kwargs=added, return_dict=False)[0]


def _stable_diffusion_3(
    adapter: NetworkAdapter, x: Tensor, timestep: Tensor, states: Tensor, pooled: Tensor
) -> Tensor:
    return adapter.network(x, states.to(x), pooled.to(x), timestep, return_dict=False)[0]


def _flux(
    adapter: NetworkAdapter, x: Tensor, timestep: Tensor, states: Tensor, pooled: Tensor, *scale: Tensor
) -> Tensor:
    """Two by two elements are one token of four times the channels."""
    rows, channels, height, width = x.shape
    h, w = height // 2, width // 2
    tokens = x.reshape(rows, channels, h, 2, w, 2).permute(0, 2, 4, 1, 3, 5).reshape(rows, h * w, -1)
    places = torch.cartesian_prod(torch.arange(h), torch.arange(w)).to(x)
    output = adapter.network(
        hidden_states=tokens, encoder_hidden_states=states.to(x), pooled_projections=pooled.to(x),
        timestep=timestep / FLOW_TIMESTEPS, img_ids=nn.functional.pad(places, (1, 0)),
        txt_ids=x.new_zeros(states.shape[1], 3), guidance=scale[0].float() if scale else None, return_dict=False,
    )[0]  # fmt: skip
    grid = output.reshape(rows, h, w, channels, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return grid.reshape(rows, channels, height, width)


def _pixart(adapter: NetworkAdapter, x: Tensor, timestep: Tensor, states: Tensor, mask: Tensor) -> Tensor:
    added: dict[str, Any] = {"resolution": None, "aspect_ratio": None}
    if getattr(adapter.network, "use_additional_conditions", False):
        height, width = adapter.sides(x)
        added["resolution"] = torch.tensor([height, width]).to(x).expand(len(x), -1)
        added["aspect_ratio"] = torch.tensor([height / width], dtype=torch.float32).to(x).expand(len(x), -1)
    return adapter.network(
        x, encoder_hidden_states=states.to(x), encoder_attention_mask=mask, timestep=timestep,
        added_cond_kwargs=added, return_dict=False,
    )[0]  # fmt: skip


def _dit(adapter: NetworkAdapter, x: Tensor, timestep: Tensor, labels: Tensor) -> Tensor:
    return adapter.network(x, timestep=timestep, class_labels=labels, return_dict=False)[0]


def _unconditional(adapter: NetworkAdapter, x: Tensor, timestep: Tensor) -> Tensor:
    return adapter.network(x, timestep, return_dict=False)[0]


CALLS: dict[Family, Callable[..., Tensor]] = {
    "stable-diffusion": _stable_diffusion, "stable-diffusion-xl": _stable_diffusion_xl,
    "stable-diffusion-3": _stable_diffusion_3, "flux": _flux, "pixart": _pixart, "dit": _dit,
    "unconditional": _unconditional,
}  # fmt: skip
"""How each family's pipeline calls its network: (adapter, x channels first, timesteps, condition ...)."""
