"""What requests may say: OpenAI's fields, and those that diffusion models have besides."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ornstein.condition.text import PROMPT_LIMIT
from ornstein.errors import nearest
from ornstein.request import MAX_GUIDANCE, MAX_REUSE, MAX_SEED, MAX_STEPS

MAX_COUNT = 10  # pictures of one request, as OpenAI's
Quality = Literal["low", "medium", "high", "auto", "standard", "hd"]
Format = Literal["png", "webp", "jpeg"]
Background = Literal["transparent", "opaque", "auto"]


class Fields(BaseModel):
    """A body that is closed: an unknown field is refused, and the nearest known one named."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        if isinstance(values, dict):
            names = [field.alias or name for name, field in cls.model_fields.items()]
            for name in values:
                if name not in names:
                    shown = str(name)[:80]
                    raise PydanticCustomError(
                        "unknown_parameter", "unknown field {shown}{hint}",
                        {"shown": repr(shown), "hint": nearest(shown, names), "param": shown},
                    )  # fmt: skip
        return values


Prompt = Annotated[str, Field(min_length=1, max_length=PROMPT_LIMIT, description="What to draw.")]
Model = Annotated[
    str | None, Field(max_length=200, description="Name of a model; the first that is served where left out.")
]
Count = Annotated[int | None, Field(ge=1, le=MAX_COUNT, description="Pictures.")]
Size = Annotated[
    str | None,
    Field(
        pattern=r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$",
        description='"WxH", of the squares that the model makes, or "auto" for the one it was made for.',
    ),
]
ResponseFormat = Annotated[
    Literal["url", "b64_json"] | None,
    Field(
        description="The picture in the reply (b64_json, where left out), or a link that opens for an hour."
    ),
]
User = Annotated[str | None, Field(max_length=500, description="Whom it is for; kept as a keyed hash alone.")]


class Sampling(Fields):
    """Settings of a diffusion model, beyond OpenAI's."""

    negative_prompt: str | None = Field(
        default=None, max_length=PROMPT_LIMIT, description="What to move away from."
    )
    num_inference_steps: int | None = Field(
        default=None, ge=1, le=MAX_STEPS, description="Steps of the sampler; decides before quality does."
    )
    guidance_scale: float | None = Field(
        default=None, ge=0, le=MAX_GUIDANCE, description="How strongly the prompt steers; 1 is off."
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="Of the first picture; the next count up. Drawn where left out.",
    )
    sampler: str | None = Field(
        default=None, max_length=100, description="Name of a method; see the model's samplers."
    )
    compose: bool | None = Field(
        default=None,
        description="Read the prompt as a composed one: a AND b NOT c, part:1.2, (word:1.3), [a|b].",
    )
    rule: str | None = Field(
        default=None, max_length=200, description='Of guidance, as "rescaled:share=0.5".'
    )
    schedule: str | None = Field(default=None, max_length=200, description='Of guidance, as "linear".')
    reuse: int | None = Field(
        default=None, ge=1, le=MAX_REUSE,
        description="Run the network's deep blocks at every so many evaluations; 1 is off.",
    )  # fmt: skip


class Picturing(Sampling):
    """What generations and edits have in common."""

    prompt: Prompt
    model: Model = None
    n: Count = None
    quality: Quality | None = Field(
        default=None,
        description="Steps: low takes few, medium, auto and standard the model's own, high and hd twice those.",
    )
    size: Size = None
    style: str | None = Field(
        default=None,
        max_length=100,
        description="One of the model's styles, as a suffix of the prompt; see the model.",
    )
    response_format: ResponseFormat = None
    output_format: Format | None = Field(default=None, description="png where left out.")
    output_compression: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Quality of webp and jpeg; lossless webp and best jpeg where left out.",
    )
    background: Background | None = Field(
        default=None, description="opaque is on white; auto is transparent where model and format can."
    )
    moderation: Literal["low", "auto"] | None = Field(
        default=None, description="Accepted, and without effect: the server's policy holds for everybody."
    )
    stream: bool | None = Field(default=None, description="Reply with server-sent events.")
    partial_images: int | None = Field(
        default=None, ge=0, le=3, description="Pictures on the way, of each picture; only with stream."
    )
    user: User = None
    safety_identifier: User = None

    @model_validator(mode="after")
    def _agree(self) -> Picturing:
        if self.output_format == "jpeg" and self.background == "transparent":
            raise PydanticCustomError(
                "background", "JPEG has no transparency: take png or webp, or another background"
            )
        if self.output_compression is not None and self.output_format in (None, "png"):
            raise PydanticCustomError(
                "output_compression", "output_compression is for webp and jpeg: name one as output_format"
            )
        if self.partial_images and not self.stream:
            raise PydanticCustomError("partial_images", "partial_images come only with stream: true")
        return self


class Generation(Picturing):
    """Body of ``POST /v1/images/generations``."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={"examples": [{"prompt": "red apple", "style": "3D style", "n": 2, "seed": 7}]},
    )


class Brought(Fields):
    """The pictures of a form are read apart (``brought.py``); these are its words about them."""

    image_url: str | None = Field(
        default=None,
        max_length=2000,
        description="An https address in place of the file, where the server reads addresses.",
    )
    strength: float | None = Field(
        default=None, gt=0, le=1, description="How much may change, from above 0 to 1, which leaves nothing."
    )


class Edit(Picturing, Brought):
    """Fields of ``POST /v1/images/edits``, of a multipart form; all are text there."""

    input_fidelity: Literal["high", "low"] | None = Field(
        default=None,
        description="How near to stay, where strength is left out: low is strength 0.8, high 0.5.",
    )


class Variation(Sampling, Brought):
    """Fields of ``POST /v1/images/variations``, of a multipart form."""

    prompt: str | None = Field(
        default=None, min_length=1, max_length=PROMPT_LIMIT,
        description="What it shows; where left out, what its own record says, else its nearest training picture.",
    )  # fmt: skip
    model: Model = None
    n: Count = None
    size: Size = None
    response_format: ResponseFormat = None
    user: User = None
