"""Health, load, costs, and who asks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ornstein.serve.api.calls import Reading, TheService
from ornstein.serve.api.errors import ApiError, documented
from ornstein.serve.books.values import Axis, CostLine

DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
AXES: tuple[Axis, ...] = ("day", "key", "model")
public = APIRouter(tags=["health"])
router = APIRouter(prefix="/v1", tags=["server"])


class Health(BaseModel):
    """Whether the server does what it is there for."""

    status: Literal["ok"] = "ok"
    models: list[str]


class Queue(BaseModel):
    """How busy engines are."""

    waiting: int = Field(description="Pictures, or requests of models of texts and rows.")
    running: int = Field(description="Pictures, or requests of models of texts and rows.")
    ahead: float = Field(description="Seconds of work, of the busiest model.")
    rows: int = Field(description="Of the networks, at once.")
    evaluations_per_second: float


class Queues(Queue):
    """All together, and by model."""

    models: dict[str, Queue]


class Costs(BaseModel):
    """What it cost, one line a day and model."""

    data: list[CostLine]


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
        raise ApiError(
            503, f"the server is {'stopped' if service.state == 'ready' else service.state}", retry_after=2
        )
    return Health(models=list(service.models))


@public.get("/ready", responses=documented(503))
async def ready(service: TheService) -> Health:
    """As /health, and the database answers."""
    found = health(service)
    await run_in_threadpool(service.books.ping)
    return found


@public.get(
    "/metrics", response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "For Prometheus."}},
)  # fmt: skip
def metrics(request: Request, service: TheService) -> Response:
    """Metrics, as Prometheus reads them; no prompt, key or user is in them."""
    data, kind = service.metrics.text(request.headers.get("accept", ""))
    return Response(data, headers={"Content-Type": kind})


@router.get("/queue", responses=documented(401, 403, 503))
def queue(call: Reading) -> Queues:
    """How much waits."""
    models = {
        name: Queue.model_validate(served.load, from_attributes=True)
        for name, served in call.service.models.items()
    }
    every = models.values()
    return Queues(
        waiting=sum(one.waiting for one in every), running=sum(one.running for one in every),
        ahead=max((one.ahead for one in every), default=0.0), rows=sum(one.rows for one in every),
        evaluations_per_second=sum(one.evaluations_per_second for one in every), models=models,
    )  # fmt: skip


@router.get("/costs", responses=documented(400, 401, 403, 503))
def costs(
    call: Reading,
    since: Annotated[
        str | None, Query(pattern=DAY, description="First day, in UTC; 30 days ago if left out.")
    ] = None,
    by: Annotated[
        str,
        Query(pattern=r"^(day|key|model)(,(day|key|model)){0,2}$", description="What lines are split by."),
    ] = "day,key,model",
    until: Annotated[str | None, Query(pattern=DAY, description="Day after the last one.")] = None,
) -> Costs:
    """What the key's requests cost; everybody's with the scope admin."""
    first = _day("since", since) or datetime.now(UTC).date() - timedelta(days=30)
    last = _day("until", until)
    axes: list[Axis] = [axis for axis in AXES if axis in by.split(",")]
    found = call.service.books.costs(_midnight(first), last and _midnight(last), axes, key=call.whose)
    return Costs(data=found)


@router.get("/me", responses=documented(401, 403, 503))
def me(call: Reading) -> Me:
    """The key that asks, and what it may use."""
    key, today = call.key, _midnight(datetime.now(UTC).date())
    return Me(
        id=key.id, name=key.name, scopes=list(key.scopes), limits=Allowed(**vars(key.limits)),
        pictures_today=call.service.books.pictures(key.id, today),
    )  # fmt: skip


def _day(name: str, text: str | None) -> date | None:
    """A day out of a query. Raises ApiError: there is no such day."""
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise ApiError(400, f"{name}: there is no day {text}", name, "invalid_value") from None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
