"""Health, load, costs, and who asks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from datetime import date as Date  # noqa: N812  # a field below is called so
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ornstein.serve.api.calls import Reading, TheService
from ornstein.serve.api.errors import ApiError, documented

public = APIRouter(tags=["health"])
router = APIRouter(prefix="/v1", tags=["server"])


class Health(BaseModel):
    """Whether the server does what it is there for."""

    status: Literal["ok"] = "ok"
    models: list[str]


class Queue(BaseModel):
    """One model's queue."""

    model: str
    waiting: int = Field(description="Pictures.")
    running: int = Field(description="Pictures.")
    ahead: float = Field(description="Seconds of work.")
    rows: int = Field(description="Rows of the network at once.")
    evaluations_per_second: float


class Queues(BaseModel):
    """All queues."""

    data: list[Queue]


class Cost(BaseModel):
    """Sums over requests that ended."""

    day: str | None
    key: str | None
    model: str | None
    requests: int
    pictures: int
    evaluations: int
    waited: float
    computed: float
    guarded: float
    joules: float = Field(description="Measured and estimated together.")
    measured: float = Field(description="Joules of it that were measured.")
    price: float
    currency: str


class Costs(BaseModel):
    """What it cost, one line a day and model."""

    data: list[Cost]


class Allowed(BaseModel):
    """What a key may use; None for no limit."""

    requests_per_minute: int | None
    pictures_per_day: int | None
    largest_side: int | None
    share: float


class Me(BaseModel):
    """The key that asks."""

    id: str
    name: str
    scopes: list[str]
    limits: Allowed
    pictures_today: int


@public.get("/health", responses=documented(503))
def health(service: TheService) -> Health:
    """200 once everything is loaded and the engines run; 503 before, and where one has stopped."""
    if not service.healthy:
        raise ApiError(503, f"the server is {'stopped' if service.state == 'ready' else service.state}", retry_after=2)
    return Health(models=list(service.models))


@public.get("/ready", responses=documented(503))
async def ready(service: TheService) -> Health:
    """As /health, and the database answers."""
    found = health(service)
    await run_in_threadpool(service.books.ping)
    return found


@public.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "For Prometheus."}})
def metrics(service: TheService) -> Response:
    """Metrics, as Prometheus reads them; no prompt, key or user is in them."""
    for served in service.models.values():
        service.metrics.load(served.name, served.engine.load)
    data, kind = service.metrics.text()
    return Response(data, headers={"Content-Type": kind})


@router.get("/queue", responses=documented(401, 403))
def queue(call: Reading) -> Queues:
    """How much waits."""
    lines = []
    for served in call.service.models.values():
        load = served.engine.load
        lines.append(
            Queue(
                model=served.name, waiting=load.waiting, running=load.running, ahead=load.ahead, rows=load.rows,
                evaluations_per_second=load.evaluations_per_second,
            )
        )  # fmt: skip
    return Queues(data=lines)


@router.get("/costs", responses=documented(400, 401, 403, 503))
def costs(
    call: Reading,
    since: Annotated[Date | None, Query(description="First day, in UTC; 30 days ago where left out.")] = None,
    until: Annotated[Date | None, Query(description="Day after the last one.")] = None,
) -> Costs:
    """What the key's requests cost; everybody's with the scope admin."""
    first = since or datetime.now(UTC).date() - timedelta(days=30)
    found = call.service.books.costs(_midnight(first), until and _midnight(until), ("day", "key", "model"))
    mine = [line for line in found if call.whose in (None, line.key)]
    return Costs(data=[Cost(**vars(line)) for line in mine])


@router.get("/me", responses=documented(401, 403, 503))
def me(call: Reading) -> Me:
    """The key that asks, and what it may use."""
    key, today = call.key, _midnight(datetime.now(UTC).date())
    return Me(
        id=key.id, name=key.name, scopes=list(key.scopes), limits=Allowed(**vars(key.limits)),
        pictures_today=call.service.books.pictures(key.id, today),
    )  # fmt: skip


def _midnight(day: Date) -> datetime:
    return datetime.combine(day, time(), UTC)
