"""What was made: history, one picture's facts, its file in other forms, and its removal."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ornstein.errors import OrnsteinError
from ornstein.guard.credentials.verifying import verify
from ornstein.guard.decision import told
from ornstein.serve.api import tickets
from ornstein.serve.api.calls import Reading, TheService
from ornstein.serve.api.errors import ApiError, documented
from ornstein.serve.api.forming import FORMATS, Shown, beside, formed, picture_of
from ornstein.serve.api.replies import Effort
from ornstein.serve.books import Entry, Made
from ornstein.serve.books.values import Kind
from ornstein.serve.served import ServedPictures
from ornstein.serve.service import Service
from ornstein.serve.writing import CREDENTIAL

router = APIRouter(prefix="/v1", tags=["outputs"])
ERRORS = documented(400, 401, 403, 404, 408, 413, 501, 503)
OutputId = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="As the reply that made it named it.")
]
NEAREST = 5
FILE = {"schema": {"type": "string", "format": "binary"}}


class Taken(Effort):
    """What it took, in energy and money."""

    joules: float
    energy_source: Literal["measured", "estimated"]
    price: float
    currency: str


class OutputLine(BaseModel):
    """A picture, text or table in history."""

    id: str
    seed: int
    format: str
    width: int = Field(description="In pixels; of a text its characters, of a table its columns.")
    height: int = Field(description="In pixels; of a table its rows.")
    told: list[str] = Field(default=[], description="What the policy changed, one line each.")


class HistoryLine(BaseModel):
    """A request in history."""

    id: str
    created: datetime
    kind: Kind
    model: str
    prompt: str | None = Field(description="None where the policy keeps no prompts in clear.")
    settings: dict[str, Any] = Field(description="Fields of the request, by which it can be asked for again.")
    outcome: str = Field(description="running, done, refused, held, failed, cancelled or lost.")
    outputs: list[OutputLine]
    told: list[str] = Field(description="What was decided of the request and of pictures held back.")
    spent: Taken


class History(BaseModel):
    """A page of history, latest first."""

    data: list[HistoryLine]
    next: str | None = Field(description="The next page begins `before` it; None where there is none.")


class Nearest(BaseModel):
    """A training picture that an output is similar to; it does not follow that it comes from it."""

    id: str
    distance: float = Field(description="Of their descriptions, 0 to 2.")
    licence: str
    holder: str
    source: str
    caption: str


class OutputFacts(OutputLine):
    """All that is known of a picture."""

    request: str = Field(description="Id of the request that it came from.")
    created: datetime
    kind: Kind
    model: str
    prompt: str | None
    settings: dict[str, Any]
    spent: Taken = Field(description="By the whole request.")
    record: dict[str, Any] = Field(description="How it was made; `ornstein replay` makes it again.")
    decisions: list[dict[str, Any]]
    sha256: str
    credential: dict[str, Any] = Field(
        description="What its Content Credential is worth: state, signer, claim."
    )
    sources: list[Nearest] | None = Field(
        description="Training pictures it is most similar to; None where that is not known."
    )
    similarity: float | None = Field(
        description="Share of pictures that copy nothing and are as near to a training picture; small is suspicious."
    )


class Deleted(BaseModel):
    """What is no longer there."""

    id: str
    deleted: Literal[True] = True


@router.get("/history", responses=ERRORS)
def history(
    call: Reading,
    search: Annotated[
        str, Query(max_length=200, description="Words in prompt, model, sampler or seed.")
    ] = "",
    before: Annotated[
        str | None, Query(max_length=64, description="Id of the last request of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> History:
    """The key's requests, latest first."""
    found = call.service.books.history(call.whose, search=search, before=before, limit=limit + 1)
    return History(
        data=[line(entry) for entry in found[:limit]],
        next=found[limit - 1].id if len(found) > limit else None,
    )


@router.get("/outputs/{id}", responses=ERRORS)
def facts(call: Reading, id: OutputId) -> OutputFacts:
    """All that is known of a picture: settings, decisions, credential, nearest training pictures."""
    entry, made = _found(call.service, call.whose, id)
    data = call.service.store.get(made.sha256)
    sources, similarity = _nearest(call.service, entry, data)
    asked = line(entry).model_dump(include={"created", "kind", "model", "prompt", "settings", "spent"})
    return OutputFacts(
        **output_line(made).model_dump(), **asked, request=entry.id, record=_told(made), sha256=made.sha256,
        decisions=[decision.model_dump(mode="json", exclude_none=True) for decision in made.decisions],
        credential=verify(data, call.service.trust, beside(made)).model_dump(mode="json", exclude_none=True),
        sources=sources, similarity=similarity,
    )  # fmt: skip


@router.get(
    "/outputs/{id}/content", response_class=Response,
    responses={**ERRORS, 200: {"description": "The file.", "content": dict.fromkeys(FORMATS.values(), FILE)}},
)  # fmt: skip
async def content(
    request: Request,
    service: TheService,
    id: OutputId,
    format: Annotated[
        Literal["png", "webp", "jpeg", "svg", "txt", "csv", "parquet", "c2pa"] | None,
        Query(description="As it was made where left out."),
    ] = None,
    background: Annotated[
        str | None,
        Query(max_length=40, description="A colour's name or #rrggbb; as it was made where left out."),
    ] = None,
    expires: Annotated[int | None, Query(description="Of a link.")] = None,
    signature: Annotated[str | None, Query(max_length=64, description="Of a link.")] = None,
) -> Response:
    """A picture's file, with a key or with a link that a reply gave."""
    key = request.state.caller.key
    if tickets.opens(service.secret, id, expires, signature):
        whose = None
    elif key is None or not {"read", "admin"} & set(key.scopes):
        raise ApiError(
            401 if key is None else 403,
            "this link is not one of this server's, or is too old: ask with a key",
        )
    else:
        whose = None if "admin" in key.scopes else key.id
    entry, made = await run_in_threadpool(_found, service, whose, id)
    data, kind = await run_in_threadpool(formed, service, entry, made, Shown(format, background))
    name = f"{made.id}.{'jpg' if kind == 'jpeg' else kind}"
    headers = {"Cache-Control": "private, max-age=3600", "Content-Disposition": f'inline; filename="{name}"'}
    if kind == "svg":
        headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return Response(data, media_type=FORMATS[kind], headers=headers)


@router.delete("/outputs/{id}", responses=ERRORS)
def delete(call: Reading, id: OutputId) -> Deleted:
    """Erase a picture from books and store; its request goes with its last picture."""
    _found(call.service, call.whose, id)
    call.service.books.erase(output=id)
    return Deleted(id=id)


def line(entry: Entry) -> HistoryLine:
    """A request as history shows it."""
    return HistoryLine(
        id=entry.id, created=entry.created, kind=entry.kind, model=entry.model, prompt=entry.prompt,
        settings=dict(entry.settings), outcome=entry.outcome, outputs=[output_line(made) for made in entry.outputs],
        told=list(dict.fromkeys(told(entry.decisions))), spent=_taken(entry),
    )  # fmt: skip


def output_line(made: Made) -> OutputLine:
    """A picture as history shows it."""
    return OutputLine(
        id=made.id, seed=made.seed, format=made.format, width=made.width, height=made.height,
        told=list(told(made.decisions)),
    )  # fmt: skip


def _told(made: Made) -> dict[str, Any]:
    """The record, without the credential that lies beside the file."""
    return {name: value for name, value in made.record.items() if name != CREDENTIAL}


def _found(service: Service, whose: str | None, id: str) -> tuple[Entry, Made]:
    """An output and its request. Raises ApiError: there is none, or it is another key's, which nobody is told."""
    entry = service.books.output(whose, id)
    if entry is None:
        raise ApiError(404, f"there is no output {id!r}")
    return entry, entry.output(id)


def _taken(entry: Entry) -> Taken:
    charge = entry.charge
    return Taken(
        **Effort.of(entry.spent).model_dump(), joules=charge.joules, price=charge.price, currency=charge.currency,
        energy_source="measured" if charge.measured else "estimated",
    )  # fmt: skip


def _nearest(service: Service, entry: Entry, data: bytes) -> tuple[list[Nearest] | None, float | None]:
    """Training pictures that a file is most similar to, and how usual it is to be so near; None where not known."""
    served = service.models.get(entry.model)
    sources = served.guarded.outputs.sources if isinstance(served, ServedPictures) else None
    if sources is None:
        return None, None
    try:
        traced = sources.nearest(picture_of(data)[None], NEAREST)[0]
    except OrnsteinError:  # the manifest takes a package that is not installed
        return None, None
    return [Nearest(**vars(source)) for source in traced.sources], traced.p
