"""``/v1/completions``: texts, as OpenAI's clients ask for them, and with holes that are filled in place."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.responses import Response, StreamingResponse

from ornstein.condition.holes import parse
from ornstein.data.text import SHINGLE
from ornstein.guard.texts import GuardedTexts
from ornstein.request import MAX_SEED, Progress
from ornstein.serve.api.calls import Call, Generating
from ornstein.serve.api.errors import ApiError, documented
from ornstein.serve.api.fields import MAX_COUNT, Fields, Model, User
from ornstein.serve.api.once import Token, once
from ornstein.serve.api.replies import Effort
from ornstein.serve.api.running import run
from ornstein.serve.booking import Booking
from ornstein.serve.books import Reply
from ornstein.serve.writing import Text, Texts, write
from ornstein.texts import TextModel, TextRequest

router = APIRouter(prefix="/v1", tags=["texts"])
ERRORS = documented(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 504)
STREAM = {
    200: {
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
        "description": "The texts; with stream, an event for each.",
    }
}
COLDEST = 0.01  # temperature that 0 stands for: a draw needs one
Neutral = Annotated[float | None, Field(description="Accepted where it changes nothing.")]


class Completion(Fields):
    """Body of ``POST /v1/completions``."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={"examples": [{"prompt": "In the beginning", "max_tokens": 40, "seed": 7}]},
    )

    prompt: str | list[str] = Field(
        description="How the text begins; or a text with holes, of which [MASK*20] is one of twenty tokens."
    )
    model: Model = None
    max_tokens: int | None = Field(
        default=None, ge=1, le=100_000, description="After the prompt; the model's own length where left out."
    )
    n: int | None = Field(default=None, ge=1, le=MAX_COUNT, description="Texts.")
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="Of the first text; the next count up. Drawn where left out.",
    )
    temperature: float | None = Field(
        default=None, ge=0, le=10, description="1 is the model's own law; 0 is taken for nearly 0."
    )
    suffix: str | None = Field(
        default=None,
        max_length=20_000,
        description="What comes after; then max_tokens says how long the hole is.",
    )
    echo: bool | None = Field(default=None, description="Give back the prompt, too.")
    stream: bool | None = Field(default=None, description="Reply with server-sent events, one for each text.")
    steps: int | None = Field(default=None, ge=1, le=4096, description="Of the sampler, for each block.")
    sampler: str | None = Field(default=None, max_length=100, description="Name of a method for tokens.")
    block: int | None = Field(default=None, ge=1, le=4096, description="Tokens that are written together.")
    top_p: Annotated[Neutral, Field(ge=1, le=1)] = None
    frequency_penalty: Annotated[Neutral, Field(ge=0, le=0)] = None
    presence_penalty: Annotated[Neutral, Field(ge=0, le=0)] = None
    best_of: Annotated[int | None, Field(ge=1, le=1, description="Accepted where it changes nothing.")] = None
    user: User = None

    @property
    def said(self) -> str:
        """The prompt, with a hole before its suffix where it has one."""
        if isinstance(self.prompt, str):
            begins = self.prompt
        elif len(self.prompt) == 1:
            begins = self.prompt[0]
        else:
            raise PydanticCustomError("prompt", "prompt: one text at a time")
        if self.suffix is None:
            return begins
        return f"{begins}[MASK*{self.max_tokens or 16}]{self.suffix}"


class Copied(BaseModel):
    """A part that stands in the training text as it is."""

    start: int = Field(description="First character of it in `text`.")
    end: int
    words: int


class Choice(BaseModel):
    """One text."""

    index: int
    text: str
    finish_reason: Literal["stop", "length"] = Field(
        description="stop: the hole is filled or the passage ended; length: max_tokens."
    )
    logprobs: None = None
    id: str = Field(description="Under which /v1/outputs knows it.")
    seed: int
    copied: list[Copied] = Field(default=[], description="Runs of eight words or more of the training text.")
    told: list[str] = Field(default=[], description="What the policy changed, one line each.")


class TextHeld(BaseModel):
    """A text that was held back."""

    index: int
    seed: int
    told: list[str] = Field(description="Why, one line each.")


class TextUsage(BaseModel):
    """Tokens of the model."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionReply(BaseModel):
    """The texts of a request."""

    id: str = Field(description="Of the request.")
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[Choice]
    usage: TextUsage
    held: list[TextHeld] = Field(default=[], description="Texts that were held back, and why.")
    spent: Effort


@router.post("/completions", response_model=CompletionReply, responses={**ERRORS, **STREAM})
async def completions(body: Completion, call: Generating, token: Token = None) -> Response:
    """Write texts that go on from a prompt, or fill its holes."""
    served, guarded = call.making(body.model, GuardedTexts)
    if body.stream and token is not None:
        raise ApiError(
            400, "a stream cannot be sent again: leave Idempotency-Key out, or stream", "Idempotency-Key"
        )
    service, raw = call.service, await call.http.body()

    def work(progress: Progress) -> Reply:
        def make() -> tuple[str, Reply]:
            asked = requested(body, guarded)
            booking = Booking(
                key=call.key, served=served, kind="completion", prompt=asked[0].prompt,
                settings=_settings(call, body, asked[0]), count=len(asked),
            )  # fmt: skip
            made = write(service, booking, guarded, asked, progress)
            said = _reply(booking, made, guarded.model, body)
            return booking.id, Reply(200, said.model_dump_json().encode())

        return once(service, call.key.id, token, raw, make)

    reply = await run(call.http, service.pool, service.bounds.seconds, work)
    if body.stream and reply.status == 200:
        return StreamingResponse(_events(json.loads(reply.body)), media_type="text/event-stream")
    return Response(reply.body, reply.status, media_type="application/json")


def requested(body: Completion, guarded: GuardedTexts) -> list[TextRequest]:
    """The texts that a body asks for. Raises UsageError, ApiError: what this model cannot do."""
    prompt, length = _prompt(body), None
    if body.max_tokens is not None and body.suffix is None:
        length = 1 + len(guarded.model.recipe.codec.encode(prompt.rstrip(" "))) + body.max_tokens
    temperature = None if body.temperature is None else max(body.temperature, COLDEST)
    seed = secrets.randbelow(2**32) if body.seed is None else body.seed
    return guarded.requests(
        prompt, body.n or 1, seed, length=length, steps=body.steps, sampler=body.sampler, block=body.block,
        temperature=temperature,
    )  # fmt: skip


def _prompt(body: Completion) -> str:
    try:
        return body.said
    except PydanticCustomError as error:
        raise ApiError(400, str(error), "prompt", "invalid_value") from None


def _settings(call: Call, body: Completion, first: TextRequest) -> dict[str, Any]:
    """What the books keep besides the prompt: fields by which the same can be asked for again."""
    said = first.model_dump(include={"seed", "steps", "sampler", "block", "temperature"})
    if body.max_tokens is not None:
        said["max_tokens"] = body.max_tokens
    if body.user:
        said["user"] = call.service.hashed(body.user)
    return said


def _reply(booking: Booking, made: Texts, model: TextModel, body: Completion) -> CompletionReply:
    held = [
        TextHeld(index=place, seed=one.asked.seed, told=list(one.told)) for place, one in made.held.items()
    ]
    codec = model.recipe.codec
    given = sum(len(codec.encode(part)) for part in parse(booking.prompt or "") if isinstance(part, str))
    written = sum(text.answer.output.tokens for text in made.texts if text.answer.output)
    return CompletionReply(
        id=booking.id, created=int(time.time()), model=booking.served.name,
        choices=[_choice(text, model, body) for text in made.texts],
        usage=TextUsage(prompt_tokens=given, completion_tokens=written, total_tokens=given + written),
        held=held, spent=Effort.of(made.spent),
    )  # fmt: skip


def _choice(text: Text, model: TextModel, body: Completion) -> Choice:
    """One text, without the prompt where it goes on from one, with what it shares with the training text."""
    output = text.answer.output
    assert output is not None
    asked = output.record.request
    holes = any(isinstance(part, int) for part in parse(asked.prompt))
    shown = output.text
    if not body.echo and body.suffix is not None:
        assert isinstance(body.prompt, str | list)
        begins = body.prompt if isinstance(body.prompt, str) else body.prompt[0]
        shown = shown.removeprefix(begins.removesuffix(" ")).removesuffix(body.suffix)
    elif not body.echo and not holes:
        shown = shown.removeprefix(asked.prompt.rstrip(" "))
    copied = model.copied(shown, asked.prompt, SHINGLE)
    return Choice(
        index=text.place, text=shown, finish_reason="stop" if holes else "length", id=text.id, seed=asked.seed,
        copied=[Copied(start=span.start, end=span.end, words=span.words) for span in copied],
        told=list(text.answer.told),
    )  # fmt: skip


def _events(reply: dict[str, Any]) -> Iterator[bytes]:
    """A reply as OpenAI's client reads a stream: an event for each text, then the end."""
    shared = {name: reply[name] for name in ("id", "object", "created", "model")}
    for choice in reply["choices"]:
        yield f"data: {json.dumps({**shared, 'choices': [choice]})}\n\n".encode()
    told = {**shared, "choices": [], "usage": reply["usage"], "held": reply["held"]}
    yield f"data: {json.dumps(told)}\n\ndata: [DONE]\n\n".encode()
