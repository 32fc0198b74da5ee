"""What comes back: OpenAI's replies, and beside them what was decided, what it took, and the seeds."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from ornstein.drawing import Spent
from ornstein.guard.answer import Answer
from ornstein.record import FileForm
from ornstein.serve.api import asking, tickets
from ornstein.serve.making import Job, Picture, Result


class InputTokens(BaseModel):
    """Of the prompt, and of pictures that were brought."""

    text_tokens: int
    image_tokens: int


class Usage(BaseModel):
    """Tokens, as OpenAI counts: of the prompts as the network reads them, and patches of the pictures."""

    input_tokens: int
    input_tokens_details: InputTokens
    output_tokens: int
    total_tokens: int


class Effort(BaseModel):
    """What it took."""

    evaluations: int = Field(description="Rows of the network.")
    waited: float = Field(description="Seconds in the queue.")
    computed: float = Field(description="Seconds of the network and of decoding.")
    guarded: float = Field(description="Seconds of checks.")

    @classmethod
    def of(cls, spent: Spent) -> Effort:
        """As plain values."""
        return cls(
            evaluations=spent.evaluations, waited=round(spent.waited, 4), computed=round(spent.computed, 4),
            guarded=round(spent.guarded, 4),
        )  # fmt: skip


class ImageReply(BaseModel):
    """One picture."""

    id: str = Field(description="Under which /v1/outputs knows it.")
    b64_json: str | None = Field(default=None, description="The file, in base64.")
    url: str | None = Field(default=None, description="Where the file is; the link opens for an hour.")
    revised_prompt: str | None = Field(
        default=None, description="The prompt that was drawn, where the policy changed it."
    )
    seed: int = Field(description="Of its noise: with the same settings it makes the same picture.")
    told: list[str] = Field(default=[], description="What the policy changed, one line each.")


class Held(BaseModel):
    """A picture that was held back."""

    index: int = Field(description="Which of those asked for, from 0.")
    seed: int
    told: list[str] = Field(description="Why, one line each.")
    case: str | None = Field(default=None, description="Of the review that it waits for.")


class ImagesReply(BaseModel):
    """The pictures of a request."""

    created: int = Field(description="Seconds since 1970.")
    data: list[ImageReply]
    background: Literal["transparent", "opaque"]
    output_format: Literal["png", "webp", "jpeg"]
    quality: Literal["low", "medium", "high"]
    size: str
    usage: Usage
    id: str = Field(description="Of the request.")
    model: str
    held: list[Held] = Field(default=[], description="Pictures that were held back, and why.")
    spent: Effort


def image(picture: Picture, url: str | None) -> ImageReply:
    """One picture, as a link where one is given."""
    output = picture.answer.output
    assert output is not None
    return ImageReply(
        id=picture.id, b64_json=None if url else base64.b64encode(picture.data).decode(), url=url,
        revised_prompt=picture.revised, seed=output.record.request.seed, told=list(picture.answer.told),
    )  # fmt: skip


def shape(job: Job, quality: str | None) -> dict[str, Any]:
    """What OpenAI's replies and events say of the pictures' form."""
    side = job.asked[0].size
    return {
        "background": background(job.form, job.served.model.recipe.codec.channels), "output_format": job.form.format,
        "quality": {"low": "low", "high": "high", "hd": "high"}.get(quality or "", "medium"), "size": f"{side}x{side}",
    }  # fmt: skip


def background(form: FileForm, channels: int) -> str:
    """What stands behind the picture, in OpenAI's words."""
    return "opaque" if form.background or channels != 4 or form.format == "jpeg" else "transparent"


def usage(job: Job, pictures: int) -> Usage:
    """Tokens of a job of which so many pictures were made."""
    model = job.served.model
    text = asking.prompt_tokens(model, job.asked[:1])
    brought = asking.picture_tokens(model, job.asked[:1]) if job.sources else 0
    out = asking.picture_tokens(model, job.asked[:1]) * pictures
    return Usage(
        input_tokens=text + brought, input_tokens_details=InputTokens(text_tokens=text, image_tokens=brought),
        output_tokens=out, total_tokens=text + brought + out,
    )  # fmt: skip


def reply(
    job: Job, result: Result, quality: str | None, base: str | None, secret: bytes, seconds: float
) -> ImagesReply:
    """The whole reply; with links at the server `base` where one is given."""
    urls = [tickets.link(secret, base, picture.id, seconds) if base else None for picture in result.pictures]
    return ImagesReply(
        created=int(time.time()),
        data=[image(picture, url) for picture, url in zip(result.pictures, urls, strict=True)],
        usage=usage(job, len(result.pictures)), id=job.id, model=job.served.name, held=held(result.held),
        spent=Effort.of(result.spent), **shape(job, quality),
    )  # fmt: skip


def held(answers: Mapping[int, Answer]) -> list[Held]:
    """What is told of pictures that were held back, by their places."""
    return [
        Held(index=place, seed=one.asked.seed, told=list(one.told), case=one.case)
        for place, one in answers.items()
    ]
