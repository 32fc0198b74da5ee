"""Spans tell where a request's time went, and nothing where nobody collects them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ornstein.drawing import Spent
from ornstein.serve.monitor.tracing import Tracing

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_requests_spans_hang_together_within_the_callers_trace():
    memory = pytest.importorskip(
        "opentelemetry.sdk.trace.export.in_memory_span_exporter"
    ).InMemorySpanExporter()
    tracing = Tracing.begin(memory)
    with pytest.raises(ValueError), tracing.request({"traceparent": PARENT}, model="emoji"):  # noqa: PT011, PT012
        with tracing.span("guard", pictures=2):
            pass
        tracing.spent(1_000_000.0, Spent(32, 0.5, 2.0, 0.25))
        with tracing.span("store"):
            raise ValueError("a purple fox")
    spans = {span.name: span for span in memory.get_finished_spans()}
    guards = [span for span in memory.get_finished_spans() if span.name == "guard"]
    assert set(spans) == {"request", "guard", "queue", "compute", "store"} and len(guards) == 2
    request = spans["request"]
    assert f"{request.context.trace_id:032x}" == PARENT.split("-")[1]
    assert f"{request.parent.span_id:016x}" == PARENT.split("-")[2]
    assert all(
        span.parent.span_id == request.context.span_id for span in spans.values() if span is not request
    )
    assert spans["queue"].start_time == 1_000_000 * 10**9
    assert spans["compute"].start_time == spans["queue"].end_time
    assert spans["compute"].end_time - spans["compute"].start_time == 2 * 10**9
    assert dict(spans["compute"].attributes) == {"evaluations": 32}
    assert guards[0].attributes == {"pictures": 2}
    assert not spans["store"].status.is_ok
    assert "purple" not in " ".join(span.to_json() for span in spans.values())


def test_off_it_costs_nothing(monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    tracing = Tracing.begin()
    assert tracing.span("guard") is tracing.request({}) is tracing.span("sign")  # nothing is made
    tracing.spent(0.0, Spent(1))
    code = "import sys\nfrom ornstein.serve.monitor.tracing import Tracing\nTracing.begin().span('x')\n"
    code += "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_a_collector_without_packages_is_told_of(monkeypatch):
    from ornstein.errors import MissingExtraError

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(MissingExtraError, match=r"ornstein\[tracing\]"):
        Tracing.begin()
