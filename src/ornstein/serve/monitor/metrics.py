"""Prometheus metrics: what a service does, and nothing of who asks for what.

Labels take values from short lists alone, so that no caller can make series without end: a model that is not served
counts as "other".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import torch

from ornstein import __version__
from ornstein.drawing import NOTHING, Spent
from ornstein.errors import MissingExtraError
from ornstein.evaluate.estimate import Estimate
from ornstein.guard.decision import Decision
from ornstein.serve.books.values import Charge

try:
    from prometheus_client import (
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        PlatformCollector,
        ProcessCollector,
        disable_created_metrics,
    )
    from prometheus_client.exposition import choose_encoder
except ImportError as error:
    raise MissingExtraError("metrics", "serve") from error

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
OTHER = "other"


class Load(Protocol):
    """Of an engine: pictures that wait and that are being drawn."""

    @property
    def waiting(self) -> int: ...
    @property
    def running(self) -> int: ...


class Tick(Protocol):
    """A call of the network: rows that were asked for, rows of its shape, seconds."""

    @property
    def rows(self) -> int: ...
    @property
    def bucket(self) -> int: ...
    @property
    def seconds(self) -> float: ...


class Metrics:
    """The metrics of one server, in a registry of their own; for any number of threads.

    Args:
        models: names of those that are served.
    """

    def __init__(self, models: Collection[str]) -> None:
        disable_created_metrics()  # when a series began is no metric of its own
        self.models = frozenset(models)
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"ornstein_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"ornstein_{name}", text, labels, registry=registry)

        self._requests = counter("requests", "Requests that ended.", "outcome", "model", "kind")
        self._pictures = counter("pictures", "Pictures that went out.", "model", "kind")
        self._evaluations = counter("model_evaluations", "Rows that the network evaluated.", "model")
        self._energy = counter(
            "energy_joules", "Energy of requests, measured or estimated.", "model", "source"
        )
        self._cost = counter("cost", "Price of requests.", "model", "currency")
        self._decisions = counter("guard_decisions", "Decisions of the policy.", "stage", "decision")
        self._duration = Histogram(
            "ornstein_request_duration_seconds", "Time of requests by stage; total is what the caller waited.",
            ["stage"], buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self._rows = Histogram(
            "ornstein_batch_rows",
            "Rows asked for in a call of the network.",
            ["model"],
            buckets=ROWS,
            registry=registry,
        )
        self._slots = counter("batch_slots", "Rows that calls of the network have room for.", "model")
        self._network = counter("network_seconds", "Time within the network.", "model")
        self._waiting = gauge("queue_depth", "Pictures that wait.", "model")
        self._running = gauge("pictures_in_flight", "Pictures that are being drawn.", "model")
        self._drift = gauge(
            "drift_kid", "Squared kernel distance of outputs to the reference.", "model", "bound"
        )
        self._looked = gauge("drift_pictures", "Outputs that the distance was measured on.", "model")
        self._refusals = gauge("refusal_ratio", "Share of requests that the policy refused.", "bound")
        built = gauge("build_info", "Versions; always 1.", "version", "torch")
        built.labels(__version__, str(torch.__version__)).set(1)

    def ended(
        self,
        outcome: str,
        model: str,
        kind: str,
        seconds: float,
        *,
        spent: Spent = NOTHING,
        charge: Charge | None = None,
        pictures: int = 0,
        decisions: Sequence[Decision] = (),
    ) -> None:
        """Count a request that has ended; `outcome` is an ending of the books, "overloaded", "limited" or "invalid"."""
        model = self._known(model)
        self._requests.labels(outcome, model, kind).inc()
        self._duration.labels("total").observe(seconds)
        if spent != NOTHING:
            for stage, took in (
                ("queue", spent.waited),
                ("compute", spent.computed),
                ("guard", spent.guarded),
            ):
                self._duration.labels(stage).observe(took)
        self._pictures.labels(model, kind).inc(pictures)
        self._evaluations.labels(model).inc(spent.evaluations)
        if charge is not None:
            self._energy.labels(model, "measured" if charge.measured else "estimated").inc(charge.joules)
            self._cost.labels(model, charge.currency).inc(charge.price)
        for decision in decisions:
            self._decisions.labels(decision.stage, decision.action).inc()

    def called(self, model: str, tick: Tick) -> None:
        """Count a call of the network."""
        model = self._known(model)
        self._rows.labels(model).observe(tick.rows)
        self._slots.labels(model).inc(tick.bucket)
        self._network.labels(model).inc(tick.seconds)

    def watch(self, model: str, load: Callable[[], Load]) -> None:
        """Ask an engine for its load whenever somebody reads the metrics."""
        self._waiting.labels(model).set_function(lambda: load().waiting)
        self._running.labels(model).set_function(lambda: load().running)

    def drifted(self, model: str, distance: Estimate) -> None:
        """Tell how far recent outputs lie from the reference."""
        _bounds(self._drift.labels, distance, model)
        self._looked.labels(model).set(distance.count)

    def refused(self, share: Estimate) -> None:
        """Tell which share of recent requests was refused."""
        _bounds(self._refusals.labels, share)

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """All of it in the format that an Accept header asks for, and that format's content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _known(self, model: str) -> str:
        return model if model in self.models else OTHER


def _bounds(labels: Callable[..., Gauge], estimate: Estimate, *values: str) -> None:
    for bound, figure in (("value", estimate.value), ("low", estimate.low), ("high", estimate.high)):
        labels(*values, bound).set(figure)
