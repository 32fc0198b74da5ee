"""The server on a Ray cluster: replicas behind Ray Serve's proxy, more of them while requests queue.

``serve run ornstein.serve.cluster:application models=emoji most=4``, or a config file that ``serve deploy`` reads. Each
replica is what ``ornstein serve`` runs: its own engine, guard and records, and the books and the store that they share.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ornstein.config import Config, parse
from ornstein.errors import MissingExtraError, OrnsteinError, UsageError

try:
    from fastapi import FastAPI
    from ray import serve

    from ornstein.serve.api import create_app
    from ornstein.serve.opening import few_heaps, keep_loaded, open_service
    from ornstein.serve.service import Bounds
except MissingExtraError:
    raise
except ImportError as error:
    raise MissingExtraError("serving on a cluster", "serve,scale") from error

from ornstein.shelf import find

GRACE = 20.0  # seconds that running requests have when a replica goes
BESIDE = 16  # requests that only read, beside those of pictures


def _listed(value: Any) -> Any:
    return tuple(value.split(",")) if isinstance(value, str) else value


class Cluster(Config):
    """What runs where.

    Attributes:
        models: names or folders that every machine has, as text with commas or as a list.
        least, most: replicas. ongoing: requests a replica from which on another is started.
        policy, database, store: as ``ornstein serve`` takes them; on several machines the books need PostgreSQL, and
            the store an address that all of them reach.
        cpus, gpus: of each replica.
    """

    models: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ("emoji",)
    least: Annotated[int, Field(ge=0)] = 1
    most: Annotated[int, Field(ge=1)] = 1
    ongoing: Annotated[float, Field(gt=0)] = 16
    policy: str | None = None
    database: str | None = None
    store: str | None = None
    cpus: Annotated[float, Field(gt=0)] = 1
    gpus: Annotated[float, Field(ge=0)] = 0


@serve.ingress()
class Replica:
    """One process of the server. Ray Serve sends nothing to it before its models are loaded."""

    def __init__(self, settings: str) -> None:
        few_heaps()
        cluster = Cluster.model_validate_json(settings)
        folders = [find(name) for name in cluster.models]
        self._service = open_service(
            folders, Path(cluster.policy) if cluster.policy else None, cluster.database, cluster.store
        )
        if self._service.local is not None:
            raise UsageError(
                "a cluster is open to others and there is no API key: make one with `ornstein keys create`"
            )
        self._service.load(folders)
        keep_loaded()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_app(self._service, GRACE)

    def check_health(self) -> None:
        """Asked by Ray Serve, which replaces a replica that raises."""
        if not self._service.healthy:
            raise OrnsteinError("the engine has stopped")


def application(given: dict[str, Any]) -> serve.Application:
    """What ``serve run`` and ``serve deploy`` start. Raises UsageError: settings that cannot be meant."""
    return deployment(parse(Cluster, given))


def deployment(cluster: Cluster) -> serve.Application:
    """The server as an application of Ray Serve."""
    if cluster.least > cluster.most:
        raise UsageError(f"least is {cluster.least}, more than most, {cluster.most}")
    for name in cluster.models:
        find(name)  # a model that is not here is told here
    scaled = {
        "min_replicas": cluster.least, "max_replicas": cluster.most, "target_ongoing_requests": cluster.ongoing,
    }  # fmt: skip
    options = serve.deployment(
        name="ornstein",
        autoscaling_config=scaled,
        max_ongoing_requests=Bounds().waiting
        + BESIDE,  # the engine refuses overload itself, and says when to return
        health_check_period_s=5,
        graceful_shutdown_timeout_s=GRACE + 5,
        ray_actor_options={"num_cpus": cluster.cpus, "num_gpus": cluster.gpus},
    )
    return options(Replica).bind(cluster.model_dump_json())
