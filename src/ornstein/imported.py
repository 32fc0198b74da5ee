"""A published checkpoint as a model: every sampler, guidance and record works on it as on one of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ornstein import saving
from ornstein.assembly import fast_dtype
from ornstein.bundle import PIPELINE, Bundle, ImportedFacts
from ornstein.codec.pixels import PixelCodec
from ornstein.condition.parts import Phrase
from ornstein.denoise.clipped import Clipped
from ornstein.denoise.posterior import Denoiser
from ornstein.denoise.precondition import NetworkDenoiser
from ornstein.errors import UsageError
from ornstein.guide.classifier_free import Guided
from ornstein.guide.rules import RuleSetting
from ornstein.guide.schedules import ScheduleSetting
from ornstein.interop.autoencoder import AutoencoderAdapter
from ornstein.interop.load import require_extra
from ornstein.interop.network import NetworkAdapter
from ornstein.interop.text import Encoder, encoder_of
from ornstein.model import Model
from ornstein.process.times import TimeGrid
from ornstein.process.timesteps import FlowTimestepGrid
from ornstein.prompts import Prompt, parts_of, said
from ornstein.recipes.imported import ImportedCodec, ImportedRecipe
from ornstein.request import BATCHES, Request

PIXELS_AT_ONCE = 4 * 512**2
"""Of a batch. A size of picture alone decides how many rows a batch may have, never how much memory is free."""
NO_NEGATIVE = "this model is told its guidance and knows no negative prompts: leave them out"


class ImportedModel(Model):
    """A generator made of the parts of a pipeline folder.

    Args:
        recipe: what the folder's configs say.
        network, encoder, codec: adapters on its parts.
        bundle: where it lies.
        device: where the network runs.
    """

    recipe: ImportedRecipe
    network: NetworkAdapter
    encoder: Encoder

    def __init__(
        self,
        recipe: ImportedRecipe,
        network: NetworkAdapter,
        encoder: Encoder,
        codec: AutoencoderAdapter | PixelCodec,
        bundle: Bundle,
        device: torch.device | str = "cpu",
    ) -> None:
        self.recipe, self.encoder, self.codec, self.bundle = recipe, encoder, codec, bundle
        self.device, self.dtype = torch.device(device), network.dtype
        self.network = network.to(self.device)

    @classmethod
    def of(cls, bundle: Bundle, device: torch.device | str = "cpu") -> ImportedModel:
        """The model of a bundle, its network's weights in the dtype that the machine multiplies fastest.

        Raises:
            MissingExtraError: diffusers is not installed. OrnsteinError: weights that do not fit.
        """
        require_extra()
        assert isinstance(bundle.facts, ImportedFacts)
        recipe, folder = bundle.facts.recipe, bundle.folder / PIPELINE
        codec = recipe.codec
        if isinstance(codec, ImportedCodec):
            codec = AutoencoderAdapter(codec, folder / "vae")
        network = NetworkAdapter(recipe, folder, fast_dtype(device))
        return cls(recipe, network, encoder_of(recipe, folder), codec, bundle, device)

    def save(self, folder: str | Path, *, metrics: Mapping[str, Any] | None = None, **others: Any) -> Path:
        """Write another bundle of the same files, whole or not at all.

        Args:
            folder: must not exist.
            metrics: what was measured, plain values; what the old bundle knows where None.
            others: nothing else of a published checkpoint can be changed.

        Raises:
            UsageError: the folder exists, or anything else is given. OrnsteinError: a disk that refuses.
        """
        if others:
            raise UsageError(f"an imported model is saved as it is, without {', '.join(others)}")
        old = self.bundle
        assert old is not None
        inside = f"{PIPELINE}/"
        files = {
            name.removeprefix(inside): old.folder / name
            for name in old.facts.files
            if name.startswith(inside)
        }
        self.bundle = saving.save_imported(
            Path(folder), self.recipe, files, lambda _: old.facts.parameters, dtype=old.facts.dtype,
            metrics=old.metrics() if metrics is None else metrics,
        )  # fmt: skip
        return self.bundle.folder

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the pictures it was made for, as its config says."""
        return (self.recipe.network.size,)

    @property
    def limits(self) -> tuple[int, int]:
        """Sides of the smallest and of the largest picture it makes."""
        return self.recipe.network.smallest, self.recipe.network.largest

    def rows(self, size: int) -> Sequence[int]:
        """How many pictures of `size` a batch may hold, most first."""
        counts = BATCHES[self.device.type]
        return [count for count in counts if count == 1 or count * size**2 <= PIXELS_AT_ONCE]

    def _refuse(self, asked: Iterable[Request]) -> None:
        asked = list(asked)
        if self.recipe.network.guided and any(request.negative for request in asked):
            raise UsageError(NO_NEGATIVE)
        if self.recipe.network.guided and any(request.compose for request in asked):
            raise UsageError(
                "this model is told its guidance and cannot compose prompts: leave --compose out"
            )
        if any(_weighed(request) for request in asked):
            raise UsageError(
                "words cannot be weighed for an imported model: weigh whole parts, as in apple:1.3"
            )
        if any(request.reuse > 1 for request in asked):
            raise UsageError("an imported network has no blocks that could be reused: leave --reuse at 1")
        super()._refuse(asked)

    def denoiser(
        self, network: Callable[..., Tensor] | None = None, dtype: torch.dtype | None = None
    ) -> NetworkDenoiser:
        """The denoiser of this model; `network` stands in for its own (compiled), in the dtype it is in."""
        call = self.inference(dtype) if network is None else network
        process = self.recipe.process
        return NetworkDenoiser(lambda z, logsnr, condition: call(z, logsnr, *condition.tensors), process.path,
                               process.target)  # fmt: skip

    def inference(self, dtype: torch.dtype | None = None) -> NetworkAdapter:
        """The network as pictures are made with it: there is only the one."""
        return self.network.ready(dtype or self.dtype)

    def grid(self, size: int | None = None) -> TimeGrid:
        """As of any model; some published grids depend on the size of the picture."""
        grid = self.recipe.sampling.grid
        return grid.at(size or self.recipe.sampling.size) if isinstance(grid, FlowTimestepGrid) else grid

    def condition(
        self,
        prompts: Sequence[Prompt],
        negatives: Sequence[str],
        guidance: Sequence[float],
        grids: Sequence[Tensor] = (),
    ) -> Guided:
        """What ``guided`` denoisers are told of each row; a network that is told its guidance is asked once."""
        if not self.recipe.network.guided:
            return super().condition(prompts, negatives, guidance, grids)
        if any(negatives):
            raise UsageError(NO_NEGATIVE)
        scale = torch.tensor(guidance, dtype=torch.float32, device=self.device)
        plain = [prompt for prompt in prompts if isinstance(prompt, str)]  # composed ones were refused
        told = self.encoder.encode(plain).to(self.device).told(scale)
        return Guided(told, told, torch.ones_like(scale))

    def guided(
        self, denoiser: Denoiser, rule: RuleSetting | None = None, schedule: ScheduleSetting | None = None
    ) -> Denoiser:
        """A denoiser that follows its ``condition``, its guess cut to where the scheduler cuts it."""
        guided, clip = super().guided(denoiser, rule, schedule), self.recipe.process.clip
        return guided if clip is None else Clipped(guided, clip)

    def encode(self, pictures: np.ndarray) -> Tensor:
        """As of any model; an autoencoder computes in float32."""
        return self.codec.encode(pictures).to(self.device)

    def decode(self, x: Tensor, dtype: torch.dtype) -> np.ndarray:
        """Samples to uint8 pictures (rows, H, W, C); an autoencoder computes in `dtype`."""
        return self.codec.decode(x) if isinstance(self.codec, PixelCodec) else self.codec.decode(x, dtype)


def with_gradients(model: Model, size: int) -> int:
    """How many pictures of `size` are differentiated at once; what a published network keeps for that is several's."""
    most = model.rows(size)[0]
    return max(1, most // 4) if isinstance(model, ImportedModel) else most


def _weighed(request: Request) -> bool:
    """Whether single words of the prompt are weighed."""
    return any(
        isinstance(phrase, Phrase) for part in parts_of(request.asks) for phrase in said(part, request.steps)
    )
