"""Which pipelines can be imported, and what their folders come to: one small function a family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ornstein.codec.pixels import PixelCodec
from ornstein.errors import OrnsteinError, nearest
from ornstein.interop.folder import PipelineFolder
from ornstein.interop.load import class_config
from ornstein.interop.schedulers import read_schedule
from ornstein.recipes.imported import (
    Family,
    ImportedCodec,
    ImportedNetwork,
    ImportedProcess,
    ImportedRecipe,
    NoCondition,
    PromptsCondition,
    Source,
)
from ornstein.recipes.recipe import ClassesCondition, SamplingSection

SMALLEST, LARGEST = 32, 2048  # pixels a side


@dataclass(frozen=True)
class Pipeline:
    """What is known of a pipeline class.

    Attributes:
        family: how its network is called. network: part of the folder.
        texts: its text encoders; a tokenizer goes with each. optional: those it may lack.
        length: tokens of T5 a prompt is cut to.
        steps, guidance: defaults of its call.
        patch: elements of the encoding that a side must be a multiple of.
    """

    family: Family
    network: str = "transformer"
    texts: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    length: int = 77
    steps: int = 50
    guidance: float = 1.0
    patch: int = 1

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts with weights that a folder must have."""
        codec = () if self.family == "unconditional" else ("vae",)
        return (self.network, *codec, *(text for text in self.texts if text not in self.optional))


TWO = ("text_encoder", "text_encoder_2")
PIPELINES = {
    "StableDiffusionPipeline": Pipeline("stable-diffusion", "unet", ("text_encoder",), guidance=7.5),
    "StableDiffusionXLPipeline": Pipeline("stable-diffusion-xl", "unet", TWO, guidance=5.0),
    "StableDiffusion3Pipeline": Pipeline(
        "stable-diffusion-3", texts=(*TWO, "text_encoder_3"), optional=("text_encoder_3",), length=256, steps=28,
        guidance=7.0, patch=2,
    ),
    "FluxPipeline": Pipeline("flux", texts=TWO, length=512, steps=28, guidance=3.5, patch=2),
    "PixArtAlphaPipeline": Pipeline(
        "pixart", texts=("text_encoder",), length=120, steps=20, guidance=4.5, patch=2
    ),
    "PixArtSigmaPipeline": Pipeline(
        "pixart", texts=("text_encoder",), length=300, steps=20, guidance=4.5, patch=2
    ),
    "DiTPipeline": Pipeline("dit", guidance=4.0),
    "DDPMPipeline": Pipeline("unconditional", "unet", steps=1000),
    "DDIMPipeline": Pipeline("unconditional", "unet"),
}  # fmt: skip


def find_pipeline(folder: PipelineFolder) -> Pipeline:
    """What is known of a folder's pipeline class.

    Raises:
        OrnsteinError: an unknown class, with the known ones, or a part that the index does not name.
    """
    if folder.pipeline not in PIPELINES:
        raise OrnsteinError(f"unknown pipeline {folder.pipeline!r}{nearest(folder.pipeline, PIPELINES)}")
    pipeline = PIPELINES[folder.pipeline]
    for part in (*pipeline.parts, "scheduler", *map(tokenizer_of, pipeline.texts)):
        if part not in map(tokenizer_of, pipeline.optional):
            folder.class_name(part)
    return pipeline


def tokenizer_of(text: str) -> str:
    """The tokenizer that goes with a text encoder."""
    return text.replace("text_encoder", "tokenizer")


def read_recipe(folder: PipelineFolder, name: str, source: str, revision: str | None) -> ImportedRecipe:
    """Everything that a folder's configs say, as a recipe.

    Args:
        folder: the pipeline.
        name: of the model.
        source: the hub's name, or the folder's.
        revision: the hub's.

    Raises:
        OrnsteinError: a pipeline, scheduler or network that is not known, named with those that are.
    """
    pipeline = find_pipeline(folder)
    config = class_config(folder, pipeline.network)
    _refuse_unused(folder, pipeline, config)
    codec = _codec(folder, pipeline, config)
    factor = codec.factor if isinstance(codec, ImportedCodec) else 1
    scheduler = folder.class_name("scheduler")
    plan = read_schedule(
        scheduler, folder.config("scheduler"), factor * pipeline.patch, pipeline.family == "flux"
    )
    network = _network(folder, pipeline, config, factor, plan.whole)
    guidance = pipeline.guidance if pipeline.family != "flux" or network.guided else 1.0
    return ImportedRecipe(
        name=name,
        source=Source(
            name=source, revision=revision, pipeline=folder.pipeline, scheduler=scheduler,
            library=folder.index.get("_diffusers_version"), exact=plan.exact, licences=folder.licences(),
        ),
        condition=_condition(folder, pipeline, config), codec=codec, network=network,
        process=ImportedProcess(path=plan.path, target=plan.target, clip=plan.clip),
        sampling=SamplingSection(
            sampler=plan.sampler, steps=pipeline.steps, guidance=guidance, interval=(0.0, 1.0), grid=plan.grid,
            size=network.size,
        ),
    )  # fmt: skip


def _refuse_unused(folder: PipelineFolder, pipeline: Pipeline, config: dict[str, Any]) -> None:
    """Refuse a network that asks for what its family's adapter does not give it."""
    where = folder.root / pipeline.network
    expected = "text_time" if pipeline.family == "stable-diffusion-xl" else None
    for key, plain in (
        ("addition_embed_type", expected),
        ("class_embed_type", None),
        ("time_cond_proj_dim", None),
    ):
        if pipeline.network == "unet" and config.get(key) not in (plain, "null"):
            raise OrnsteinError(f"{where}: {key}={config[key]!r} is not supported for {pipeline.family}")


def _codec(folder: PipelineFolder, pipeline: Pipeline, config: dict[str, Any]) -> ImportedCodec | PixelCodec:
    if pipeline.family == "unconditional":
        if (channels := config["in_channels"]) not in (1, 3):
            raise OrnsteinError(f"{folder.root / pipeline.network} has {channels} channels, not 1 or 3")
        return PixelCodec(channels=channels)
    if (name := folder.class_name("vae")) != "AutoencoderKL":
        raise OrnsteinError(f"unknown autoencoder class {name!r}; known: AutoencoderKL")
    autoencoder = class_config(folder, "vae")
    latents, channels = autoencoder["latent_channels"], config["in_channels"]
    if (wanted := latents * 4 if pipeline.family == "flux" else latents) != channels:
        raise OrnsteinError(
            f"{folder.root / pipeline.network} takes {channels} channels and not the autoencoder's {wanted}: "
            "only text-to-image networks are supported"
        )
    return ImportedCodec(latents=latents, factor=2 ** (len(autoencoder["block_out_channels"]) - 1))


def _network(
    folder: PipelineFolder, pipeline: Pipeline, config: dict[str, Any], factor: int, whole: bool
) -> ImportedNetwork:
    elements = 128 if pipeline.family == "flux" else config["sample_size"]  # FLUX's config says no size
    if not isinstance(elements, int):
        raise OrnsteinError(f"{folder.root / pipeline.network}: sample_size {elements} is no single side")
    size, multiple = elements * factor, factor * pipeline.patch
    smallest, largest = max(SMALLEST, multiple), LARGEST
    if pipeline.family == "unconditional":
        multiple = 2 ** (len(config["block_out_channels"]) - 1)
        smallest = min(max(SMALLEST, multiple), size)
    elif pipeline.family == "dit":  # its places are those of one size
        smallest = largest = size
    elif pipeline.family == "stable-diffusion-3":
        largest = min(largest, config["pos_embed_max_size"] * multiple)
    return ImportedNetwork(
        family=pipeline.family, network=folder.class_name(pipeline.network), size=size, multiple=multiple,
        smallest=smallest, largest=largest, guided=bool(config.get("guidance_embeds", False)), whole=whole,
    )  # fmt: skip


def _condition(
    folder: PipelineFolder, pipeline: Pipeline, config: dict[str, Any]
) -> PromptsCondition | ClassesCondition | NoCondition:
    if pipeline.family == "unconditional":
        return NoCondition()
    if pipeline.family == "dit":
        labels, count = folder.index.get("id2label") or {}, config["num_embeds_ada_norm"]
        return ClassesCondition(names=tuple(str(labels.get(str(k), k)) for k in range(count)))
    zeros = pipeline.family == "stable-diffusion-xl" and folder.index.get(
        "force_zeros_for_empty_prompt", True
    )
    return PromptsCondition(length=pipeline.length, zeros=bool(zeros))
