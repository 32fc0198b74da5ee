"""``/v1/images``: generations, edits and variations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from ornstein.control.source import MASKED, WHOLE, Source
from ornstein.errors import OrnsteinError
from ornstein.output import record_of
from ornstein.request import Progress
from ornstein.request import Request as Asked
from ornstein.serve.api import asking, brought, forms, replies
from ornstein.serve.api.calls import Call, Editing, Generating
from ornstein.serve.api.errors import ApiError, documented, of_pictures
from ornstein.serve.api.fetching import fetch
from ornstein.serve.api.fields import Edit, Generation, Picturing, Variation
from ornstein.serve.api.forms import Form
from ornstein.serve.api.once import Token, once
from ornstein.serve.api.running import run
from ornstein.serve.api.streaming import streamed
from ornstein.serve.books import Reply
from ornstein.serve.making import Job, make
from ornstein.serve.served import ServedPictures
from ornstein.serve.service import Service

STRENGTHS = {"low": 0.8, "high": 0.5}  # of input_fidelity
ERRORS = documented(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 501, 503, 504)
STREAM = {
    200: {
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
        "description": "The pictures; with stream, events.",
    }
}
KEPT = {
    "negative_prompt", "style", "quality", "compose", "rule", "schedule", "reuse", "output_format",
    "output_compression", "background",
}  # fmt: skip
Body = Generation | Edit | Variation
Kind = Literal["generation", "edit", "variation"]

router = APIRouter(prefix="/v1/images", tags=["images"])


@router.post("/generations", response_model=replies.ImagesReply, responses={**ERRORS, **STREAM})
async def generations(body: Generation, call: Generating, token: Token = None) -> Response:
    """Make pictures from a prompt."""
    served = call.pictures(body.model)
    raw = await call.http.body()
    return await _answered(call, body, token, raw, lambda: _job(call, served, "generation", body))


@router.post(
    "/edits", response_model=replies.ImagesReply, responses={**ERRORS, **STREAM},
    openapi_extra=forms.schema(Edit, ("prompt",), mask=True),
)  # fmt: skip
async def edits(request: Request, call: Editing, token: Token = None) -> Response:
    """Make a picture from another, or draw a part of it anew."""
    form = await forms.read(request, ("image", "mask"))
    body = forms.parse(Edit, form.words)
    served = call.pictures(body.model)
    return await _answered(call, body, token, _said(form), lambda: _job(call, served, "edit", body, form))


@router.post(
    "/variations", response_model=replies.ImagesReply, responses=ERRORS,
    openapi_extra=forms.schema(Variation, (), mask=False),
)  # fmt: skip
async def variations(request: Request, call: Editing, token: Token = None) -> Response:
    """Make pictures like another."""
    form = await forms.read(request, ("image",))
    body = forms.parse(Variation, form.words)
    served = call.pictures(body.model)
    return await _answered(
        call, body, token, _said(form), lambda: _job(call, served, "variation", body, form)
    )


async def _answered(
    call: Call, body: Body, token: str | None, raw: bytes, prepare: Callable[[], Job]
) -> Response:
    """Do the job that `prepare` makes ready, and answer: at once, by events, or as before."""
    if isinstance(body, Picturing) and body.stream:
        if token is not None:
            raise ApiError(
                400, "a stream cannot be sent again: leave Idempotency-Key out, or stream", "Idempotency-Key"
            )
        return await streamed(call, prepare, body.partial_images or 0, body.quality)
    service = call.service

    def work(progress: Progress) -> Reply:
        return once(service, call.key.id, token, raw, lambda: _made(call, body, prepare, progress))

    reply = await run(call.http, service.pool, service.bounds.seconds, work)
    return Response(reply.body, reply.status, media_type="application/json")


def _made(call: Call, body: Body, prepare: Callable[[], Job], progress: Progress) -> tuple[str, Reply]:
    with of_pictures():
        job = prepare()
        result = make(call.service, job, progress)
    base = str(call.http.base_url).rstrip("/") if body.response_format == "url" else None
    quality = body.quality if isinstance(body, Picturing) else None
    said = replies.reply(job, result, quality, base, call.service.secret, call.service.bounds.link_seconds)
    return job.id, Reply(200, said.model_dump_json(exclude_none=True).encode())


def _job(call: Call, served: ServedPictures, kind: Kind, body: Body, form: Form | None = None) -> Job:
    """Everything read and checked, ready to be made; runs in a thread.

    Raises:
        ApiError, OrnsteinError: what cannot be meant, or what the policy does not want to see.
    """
    side = asking.side(served.model, body.size)
    if call.key.limits.largest_side is not None and side > call.key.limits.largest_side:
        raise ApiError(
            403,
            f"this key makes pictures up to {call.key.limits.largest_side} pixels a side",
            "size",
            "not_permitted",
        )
    source = None
    if form is not None and not isinstance(body, Generation):
        source = _source(call.service, served, body, form, side)
    prompt = body.prompt or _shown(served, source)
    asked = asking.requested(body, served.model, prompt)
    return Job(
        key=call.key, served=served, kind=kind, asked=asked, form=asking.form(body, served.model), prompt=prompt,
        count=len(asked), sources=(source,) * len(asked) if source else (),
        settings=_settings(call.service, body, asked, source),
    )  # fmt: skip


def _source(
    service: Service, served: ServedPictures, body: Edit | Variation, form: Form, side: int
) -> Source:
    """The picture that a form brought, looked at by the policy. Raises ApiError, UrlError."""
    bounds, model = service.bounds, served.model
    data = form.image
    if data is None and body.image_url is not None:
        if not bounds.url_inputs:
            raise ApiError(
                400,
                "this server fetches no addresses: send the picture itself as image",
                "image_url",
                "invalid_value",
            )
        data = fetch(body.image_url, bounds.upload_bytes)
    if data is None:
        raise ApiError(400, "no picture: send it as image", "image", "missing_required_parameter")
    picture = brought.picture(data, side, model.recipe.codec.channels, bounds.pixels)
    mask = brought.mask(form.mask, data, side, bounds.pixels) if form.mask is not None else None
    strength = body.strength or (
        STRENGTHS.get(body.input_fidelity or "low") if isinstance(body, Edit) else WHOLE
    )
    if mask is not None and body.strength is None:
        strength = MASKED
    return Source(picture, mask, strength or WHOLE, data)


def _shown(served: ServedPictures, source: Source | None) -> str:
    """What a brought picture shows: by its own record, else by the caption of the training picture it is most like."""
    assert source is not None
    assert source.file is not None
    try:
        return record_of(source.file).request.prompt
    except OrnsteinError:
        pass  # not ours
    sources = served.guarded.outputs.sources
    if sources is None:
        raise ApiError(
            400,
            "say what the picture shows, in prompt: this model cannot tell",
            "prompt",
            "missing_required_parameter",
        )
    return sources.nearest(source.picture[None], 1)[0].sources[0].caption


def _settings(service: Service, body: Body, asked: list[Asked], source: Source | None) -> dict[str, Any]:
    """What the books keep besides the prompt: fields by which the same can be asked for again, defaults written out."""
    first = asked[0]
    said = body.model_dump(include=KEPT) | {
        "size": f"{first.size}x{first.size}", "seed": first.seed, "num_inference_steps": first.steps,
        "guidance_scale": first.guidance, "sampler": first.sampler,
    }  # fmt: skip
    user = getattr(body, "safety_identifier", None) or body.user
    if user:
        said["user"] = service.hashed(user)
    if source is not None:
        said |= {"strength": source.strength, "masked": source.mask is not None}
    return {name: value for name, value in said.items() if value is not None}


def _said(form: Form) -> bytes:
    """A form as the bytes that an idempotency token stands for; a boundary is drawn anew each time."""
    return repr((sorted(form.words.items()), form.image, form.mask)).encode("utf-8", "backslashreplace")
