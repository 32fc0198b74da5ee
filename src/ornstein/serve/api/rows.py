"""``/v1/rows`` and ``/v1/impute``: rows of a table, and a table with its gaps filled."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ornstein.data.table import pandas
from ornstein.guard.rows import GuardedRows, RowsAnswer
from ornstein.request import MAX_SEED, MAX_STEPS, Progress
from ornstein.serve.api.calls import Call, Generating
from ornstein.serve.api.errors import documented
from ornstein.serve.api.fields import Fields, Model, User
from ornstein.serve.api.once import Token, once
from ornstein.serve.api.replies import Effort
from ornstein.serve.api.running import run
from ornstein.serve.booking import Booking
from ornstein.serve.books import Reply
from ornstein.serve.books.values import Kind
from ornstein.serve.served import Served
from ornstein.serve.writing import Table, fill

router = APIRouter(prefix="/v1", tags=["rows"])
MOST = 100_000  # rows of one request
ERRORS = documented(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 504)
MEDIA = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
FILES = {
    200: {
        "content": {"text/csv": {"schema": {"type": "string"}}},
        "description": "The rows; as a file where a format is named that is one.",
    }
}
Seed = Field(default=None, ge=0, le=MAX_SEED, description="Of all rows; drawn where left out.")
Steps = Field(default=None, ge=1, le=MAX_STEPS, description="Of the sampler; the model's where left out.")


class RowsAsked(Fields):
    """Body of ``POST /v1/rows``."""

    model_config = ConfigDict(
        strict=True, json_schema_extra={"examples": [{"rows": 100, "where": ["age>60"], "format": "csv"}]}
    )

    rows: int = Field(ge=1, le=MOST, description="How many.")
    model: Model = None
    seed: int | None = Seed
    where: list[str] = Field(
        default=[], max_length=20, description="What every row meets: age>60, sex=F, city=Rome|Oslo."
    )
    balance: str | None = Field(
        default=None, max_length=200, description="A column whose values are to be equally frequent."
    )
    format: Literal["json", "csv", "parquet"] = Field(
        default="json", description="json gives rows and facts; csv and parquet the file alone."
    )
    steps: int | None = Steps
    user: User = None


class Gaps(Fields):
    """Body of ``POST /v1/impute``."""

    model_config = ConfigDict(strict=True)

    data: list[dict[str, str | int | float | bool | None]] = Field(
        min_length=1, description="Rows with gaps, which are null or left out."
    )
    model: Model = None
    seed: int | None = Seed
    steps: int | None = Steps
    user: User = None


class RowsReply(BaseModel):
    """Rows, and how they were made."""

    id: str = Field(description="Under which /v1/outputs knows the table, whose file is CSV.")
    object: Literal["rows"] = "rows"
    created: int
    model: str
    request: str = Field(description="Id of the request.")
    seed: int
    columns: list[str]
    data: list[dict[str, Any]]
    record: dict[str, Any] | None = Field(description="What makes the same rows again.")
    told: list[str] = Field(default=[], description="What the policy changed, one line each.")
    spent: Effort


@router.post("/rows", response_model=RowsReply, responses={**ERRORS, **FILES})
async def rows(body: RowsAsked, call: Generating, token: Token = None) -> Response:
    """Make rows like those that a model learned from."""
    served, guarded = call.making(body.model, GuardedRows)
    seed = secrets.randbelow(2**32) if body.seed is None else body.seed

    def make(progress: Progress) -> RowsAnswer:
        return guarded.make(
            body.rows, seed, where=body.where, balanced=body.balance, steps=body.steps, progress=progress
        )

    said = {
        "rows": body.rows,
        "where": body.where,
        "balance": body.balance,
        "steps": body.steps,
        "format": body.format,
    }
    return await _answered(call, _booking(call, served, "rows", body, seed, said), make, body.format, token)


@router.post("/impute", response_model=RowsReply, responses=ERRORS)
async def impute(body: Gaps, call: Generating, token: Token = None) -> Response:
    """Fill the gaps of rows, each by one draw given what the row tells."""
    served, guarded = call.making(body.model, GuardedRows)
    seed = secrets.randbelow(2**32) if body.seed is None else body.seed

    def make(progress: Progress) -> RowsAnswer:
        return guarded.impute(pandas().DataFrame(body.data), seed, body.steps, progress)

    said = {"rows": len(body.data), "steps": body.steps}
    return await _answered(call, _booking(call, served, "imputation", body, seed, said), make, "json", token)


def _booking(
    call: Call, served: Served, kind: Kind, body: RowsAsked | Gaps, seed: int, said: dict[str, Any]
) -> Booking:
    """What goes into the books: fields by which the same can be asked for again."""
    user = {"user": call.service.hashed(body.user)} if body.user else {}
    settings = {
        name: value for name, value in {**said, "seed": seed, **user}.items() if value not in (None, [])
    }
    return Booking(key=call.key, served=served, kind=kind, settings=settings)


async def _answered(
    call: Call,
    booking: Booking,
    make: Callable[[Progress], RowsAnswer],
    form: Literal["json", "csv", "parquet"],
    token: str | None,
) -> Response:
    """Make a table and answer with it, or as before."""
    service, raw = call.service, await call.http.body()
    guarded = booking.served.guarded
    assert isinstance(guarded, GuardedRows)

    def work(progress: Progress) -> Reply:
        def made() -> tuple[str, Reply]:
            stored = "csv" if form == "json" else form
            table = fill(service, booking, guarded, stored, lambda: make(progress), progress)
            body = _reply(booking, table).model_dump_json().encode() if form == "json" else table.file.data
            return booking.id, Reply(200, body)

        return once(service, call.key.id, token, raw, made)

    reply = await run(call.http, service.pool, service.bounds.seconds, work)
    ok = reply.status == 200
    named = {"Content-Disposition": f'attachment; filename="rows.{form}"'} if ok and form != "json" else {}
    return Response(reply.body, reply.status, named, MEDIA[form] if ok else MEDIA["json"])


def _reply(booking: Booking, table: Table) -> RowsReply:
    answer = table.answer
    told = json.loads(answer.frame.to_json(orient="records", date_format="iso"))
    return RowsReply(
        id=table.id, created=int(time.time()), model=booking.served.name, request=booking.id, seed=answer.seed,
        columns=list(answer.frame.columns), data=told,
        record=answer.record.model_dump(mode="json") if answer.record else None, told=list(answer.told),
        spent=Effort.of(table.spent),
    )  # fmt: skip
