"""Metrics say what happened, are clean to Prometheus, and hold nothing of who asked for what."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ornstein.drawing import Spent
from ornstein.evaluate.estimate import Estimate
from ornstein.guard.decision import Decision
from ornstein.serve import monitor
from ornstein.serve.books import Charge
from ornstein.serve.monitor.metrics import Metrics

DASHBOARD = Path(monitor.__file__).parent / "dashboards" / "ornstein.json"
PROMTOOL = shutil.which("promtool")


@pytest.fixture
def metrics() -> Metrics:
    """Of a server that has done a little of everything."""
    found = Metrics(["emoji", "fashion"])
    deny = Decision(stage="prompt", action="deny", rule="blood")
    spent, charge = Spent(32, 0.5, 2.0, 0.3), Charge(40.0, True, 0.002, "EUR")
    found.ended("done", "emoji", "generation", 3.0, spent=spent, charge=charge, pictures=2)
    found.ended("done", "emoji", "edit", 1.0, spent=spent, charge=Charge(1.0, False, 0.1), pictures=1)
    found.ended("refused", "fashion", "generation", 0.01, decisions=[deny])
    for rows in (3, 4):
        found.called("emoji", SimpleNamespace(rows=rows, bucket=4, seconds=0.25))
    found.drifted("emoji", Estimate(0.002, -0.001, 0.005, 512))
    found.refused(Estimate(0.1, 0.05, 0.2, 100))
    return found


def values(metrics: Metrics) -> dict[tuple[str, frozenset[str]], float]:
    """Every sample by its name and the values of its labels."""
    families = text_string_to_metric_families(metrics.text()[0].decode())
    return {(s.name, frozenset(s.labels.values())): s.value for family in families for s in family.samples}


def test_what_happened_is_counted(metrics: Metrics):
    found = values(metrics)

    def of(name: str, *labels: str) -> float:
        return found[f"ornstein_{name}", frozenset(labels)]

    assert (
        of("requests_total", "done", "emoji", "generation")
        == of("requests_total", "done", "emoji", "edit")
        == 1
    )
    assert of("requests_total", "refused", "fashion", "generation") == 1
    assert of("pictures_total", "emoji", "generation") == 2
    assert of("model_evaluations_total", "emoji") == 64
    assert of("energy_joules_total", "emoji", "measured") == 40
    assert of("energy_joules_total", "emoji", "estimated") == 1
    assert of("cost_total", "emoji", "EUR") == 0.002
    assert of("guard_decisions_total", "prompt", "deny") == 1
    assert of("request_duration_seconds_sum", "total") == pytest.approx(4.01)
    assert of("request_duration_seconds_sum", "compute") == 4
    assert of("request_duration_seconds_count", "queue") == 2  # a refused prompt never waited
    assert of("batch_rows_sum", "emoji") / of("batch_slots_total", "emoji") == 7 / 8
    assert of("drift_kid", "emoji", "low") == -0.001 and of("refusal_ratio", "high") == 0.2


def test_the_load_is_that_of_the_moment(metrics: Metrics):
    load = SimpleNamespace(waiting=3, running=4)
    metrics.watch("emoji", lambda: load)
    assert values(metrics)["ornstein_queue_depth", frozenset(["emoji"])] == 3
    load.waiting = 0
    found = values(metrics)
    assert found["ornstein_queue_depth", frozenset(["emoji"])] == 0
    assert found["ornstein_pictures_in_flight", frozenset(["emoji"])] == 4


def test_no_caller_can_make_series_without_end(metrics: Metrics):
    before = len(values(metrics))
    for k in range(50):
        metrics.ended("invalid", f"a red fox {k}", "generation", 0.001)
    found = values(metrics)
    assert len(found) <= before + 3
    assert found["ornstein_requests_total", frozenset(["invalid", "other", "generation"])] == 50
    assert "fox" not in metrics.text()[0].decode()


def test_two_servers_in_one_process_count_apart(metrics: Metrics):
    assert ("ornstein_pictures_total", frozenset(["emoji", "edit"])) not in values(Metrics(["emoji"]))


def test_openmetrics_is_spoken_where_it_is_asked_for(metrics: Metrics):
    text, kind = metrics.text("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text") and text.endswith(b"# EOF\n")


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_say(metrics: Metrics):
    done = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=metrics.text()[0], capture_output=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def expressions() -> list[str]:
    """What the dashboard asks, with Grafana's variables filled in."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [text.replace("$__rate_interval", "1m").replace("$model", "emoji") for text in asked]


def test_the_dashboard_asks_for_metrics_that_there_are(metrics: Metrics):
    metrics.watch("emoji", lambda: SimpleNamespace(waiting=0, running=0))
    there = {name for name, _ in values(metrics)}
    named = {name for text in expressions() for name in re.findall(r"\b(?:ornstein|process)_\w+", text)}
    assert named - there == set()
    ours = {name for name in there if name.startswith("ornstein_")}
    shown = named | {
        f"{name.removesuffix('_bucket')}_{part}" for name in named for part in ("sum", "count", "bucket")
    }
    shown |= {f"{name.removesuffix('_sum')}_{part}" for name in named for part in ("count", "bucket")}
    assert ours - shown <= {"ornstein_drift_pictures"}  # and leaves next to nothing out


def test_the_dashboards_labels_are_those_of_its_metrics(metrics: Metrics):
    metrics.watch("emoji", lambda: SimpleNamespace(waiting=0, running=0))
    families = list(text_string_to_metric_families(metrics.text()[0].decode()))
    labels = {s.name: set(s.labels) for family in families for s in family.samples}
    for text in expressions():
        own = set().union(*(labels[name] for name in re.findall(r"\b(?:ornstein|process)_\w+", text)))
        grouped = {name.strip() for group in re.findall(r"by \(([^)]*)\)", text) for name in group.split(",")}
        chosen = set(re.findall(r"(\w+)=~?\"", text))
        assert grouped | chosen <= own, text


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_prometheus_reads_every_expression_of_the_dashboard(tmp_path: Path):
    rules = [{"record": f"panel:{k}", "expr": text} for k, text in enumerate(expressions())]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(file)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_the_dashboard_can_be_provisioned():
    board = json.loads(DASHBOARD.read_text())
    panels = board["panels"]
    assert board["uid"] and board["title"] and "id" not in board
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) == 23  # nothing lies on anything
