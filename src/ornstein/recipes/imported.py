"""The recipe of a published checkpoint: which parts of its folder answer which question, as plain data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ornstein.codec.pixels import PixelCodec
from ornstein.config import Config
from ornstein.recipes.recipe import ClassesCondition, ProcessSection, SamplingSection, identity

Family = Literal[
    "stable-diffusion", "stable-diffusion-xl", "stable-diffusion-3", "flux", "pixart", "dit", "unconditional"
]


class PromptsCondition(Config):
    """Prompts, through the text encoders of the folder.

    Attributes:
        length: tokens of T5 a prompt is cut to; CLIP's own tokenizers know theirs.
        zeros: the empty prompt is zeros instead of the encoded empty text.
    """

    kind: Literal["prompts"] = "prompts"
    length: int = Field(default=77, ge=1, le=1024)
    zeros: bool = False


class NoCondition(Config):
    """Nothing steers it."""

    kind: Literal["nothing"] = "nothing"


class ImportedCodec(Config):
    """The folder's autoencoder.

    Attributes:
        channels: of a picture. latents: channels of its encoding. factor: pixels a side of one element of it.
    """

    kind: Literal["autoencoder"] = "autoencoder"
    channels: Literal[3] = 3
    latents: int = Field(ge=1)
    factor: int = Field(ge=1)

    def shape(self, size: int) -> tuple[int, int, int]:
        """Of the encoding of a picture whose sides are `size`, in pixels."""
        return size // self.factor, size // self.factor, self.latents


class ImportedNetwork(Config):
    """A network of the diffusers library, called as its family's pipeline calls it.

    Attributes:
        family: how it is called. network: its class.
        size: side of the pictures it was made for, as its config says.
        multiple: what sides must be multiples of. smallest, largest: sides it can have.
        guided: it is told the guidance scale as an input, and has no other guidance.
        whole: it is told each noise level as the nearest whole timestep.
    """

    kind: Literal["imported"] = "imported"
    family: Family
    network: str
    size: int = Field(ge=1)
    multiple: int = Field(ge=1)
    smallest: int = Field(ge=1)
    largest: int = Field(ge=1)
    guided: bool = False
    whole: bool = False

    @property
    def summary(self) -> str:
        """A phrase for people."""
        return f"diffusers' {self.network}"


class ImportedProcess(ProcessSection):
    """Path and target, as the scheduler's config says them.

    Attributes:
        clip: largest magnitude of the predicted data; None leaves it free.
    """

    clip: float | None = Field(default=None, gt=0)


class Source(Config):
    """Where a checkpoint came from, in the folder's own words.

    Attributes:
        name: the hub's name, or the folder's. revision: the hub's; None for a folder.
        pipeline, scheduler: classes that the folder names. library: version of diffusers that wrote it.
        exact: the sampler is the scheduler's own method, else the nearest one.
        licences: what README, licence files and model index say, by file.
    """

    name: str
    revision: str | None = None
    pipeline: str
    scheduler: str
    library: str | None = None
    exact: bool = True
    licences: dict[str, str] = Field(default_factory=dict)


class ImportedRecipe(Config):
    """Everything that makes an imported model the model it is, but for what its publisher alone knows."""

    kind: Literal["imported"] = "imported"
    name: str
    source: Source
    condition: Annotated[PromptsCondition | ClassesCondition | NoCondition, Field(discriminator="kind")]
    codec: Annotated[ImportedCodec | PixelCodec, Field(discriminator="kind")]
    network: ImportedNetwork
    process: ImportedProcess
    sampling: SamplingSection

    @property
    def identity(self) -> list[Any]:
        """As of ``TrainedRecipe``."""
        return identity(self)

    @property
    def extent(self) -> str:
        """As of ``TrainedRecipe``."""
        return f"{self.sampling.size} px"
