"""Traces through OpenTelemetry: where a request's time went. Off, and without cost, unless somebody collects them.

``OTEL_EXPORTER_OTLP_ENDPOINT`` (or another of OpenTelemetry's variables) names the collector; the extra `tracing` has
the packages. Spans have names, times and numbers; no prompt and no key.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from ornstein import __version__
from ornstein.drawing import Spent
from ornstein.errors import MissingExtraError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_off = nullcontext()


class Tracing:
    """Spans for requests; ``begin`` makes one that is on where a collector is named."""

    def __init__(self, tracer: Any = None) -> None:
        self._tracer = tracer

    @classmethod
    def begin(cls, exporter: Any = None) -> Tracing:
        """Tracing to an exporter, or to the collector that the environment names; off where it names none.

        Raises:
            MissingExtraError: a collector is named, and the packages are not installed.
        """
        if exporter is None and not any(os.environ.get(name) for name in ENDPOINTS):
            return cls()
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        except ImportError as error:
            raise MissingExtraError("tracing", "tracing") from error
        name = os.environ.get("OTEL_SERVICE_NAME", "ornstein")
        provider = TracerProvider(
            resource=Resource.create({"service.name": name, "service.version": __version__})
        )
        processor = SimpleSpanProcessor(exporter) if exporter is not None else BatchSpanProcessor(_otlp())
        provider.add_span_processor(processor)
        return cls(provider.get_tracer("ornstein", __version__))

    def request(self, headers: Mapping[str, str], **facts: Any) -> AbstractContextManager[Any]:
        """The span of a request, within the caller's trace where its headers name one (W3C traceparent)."""
        if self._tracer is None:
            return _off
        return self._request(headers, facts)

    def span(self, name: str, **facts: Any) -> AbstractContextManager[Any]:
        """A span of what is done while it is entered: "guard", "sign", "store", "books"."""
        if self._tracer is None:
            return _off
        return self._entered(name, attributes=facts)

    def spent(self, began: float, spent: Spent) -> None:
        """Spans of waiting, drawing and checking, told afterwards: the engine works on many requests at once.

        Args:
            began: when the request entered the queue, as ``time.time``.
            spent: how long each took; they are told one after the other.
        """
        if self._tracer is None:
            return
        start = int(began * 1e9)
        stages = (("queue", spent.waited), ("compute", spent.computed), ("guard", spent.guarded))
        for name, seconds in stages:
            end = start + int(seconds * 1e9)
            facts = {"evaluations": spent.evaluations} if name == "compute" else {}
            self._tracer.start_span(name, start_time=start, attributes=facts).end(end_time=end)
            start = end

    def _request(self, headers: Mapping[str, str], facts: Mapping[str, Any]) -> AbstractContextManager[Any]:
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        return self._entered("request", context=extract(headers), kind=SpanKind.SERVER, attributes=facts)

    @contextmanager
    def _entered(self, name: str, **given: Any) -> Iterator[Any]:
        """A span that fails with what is raised, told by its type: the message may repeat a prompt."""
        from opentelemetry.trace import Status, StatusCode

        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False, **given
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise


def _otlp() -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise MissingExtraError("tracing", "tracing") from error
    return OTLPSpanExporter()
