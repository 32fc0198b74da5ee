"""Bulk work on two worker processes of a local Ray: one is killed midway, and the folder is that of one process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.decision import RefusedError
from ornstein.guard.guarded import Guarded
from ornstein.guard.records import log
from ornstein.model import Model
from ornstein.record import sharing
from ornstein.serve.bulk.order import Order
from ornstein.serve.bulk.run import run
from ornstein.serve.bulk.workers import Loading, _cause, hired
from tests.serve.ordered import mixed, results, write_csv

pytest.importorskip("ray")


def workers(home: str) -> list[int]:
    """Processes of a Ray that this test started, in which a model is loaded."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            named = b"ray::MapWorker(MapBatches(Worker))" in (process / "cmdline").read_bytes()
            if named and f"ORNSTEIN_HOME={home}".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            pass  # it has ended
    return found


@pytest.mark.slow
def test_a_worker_killed_midway_costs_no_row_and_the_records_hold(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORNSTEIN_HOME", home := str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path, order = write_csv(tmp_path / "a.csv", mixed(176)), Order()
    guard = Guarded(Model.load(bundle))
    killed: list[int] = []

    def progress(done: int, of: int) -> None:
        if done > 20 and not killed:
            killed.append(workers(home)[0])
            os.kill(killed[0], signal.SIGKILL)

    loading = Loading.of(guard, str(bundle), "cpu")
    with hired("local", 2, loading, order) as work:
        summary = run(guard, path, tmp_path / "out", order, work=work, progress=progress)
        assert killed
        with (
            pytest.raises(UsageError, match="too few for 99 workers"),
            hired("local", 99, loading, order) as none,
        ):
            list(none(iter(())))
        other = loading.model_copy(update={"fingerprint": "0" * 64})
        with (
            hired("local", 1, other, order) as wrong,
            pytest.raises(OrnsteinError, match="another model") as met,
        ):
            run(guard, path, tmp_path / "wrong", order, work=wrong)
        assert "\n" not in str(met.value)
    assert (summary.pictures, summary.refused) == (160, 16)
    assert log.verify(tmp_path / "home" / "records") == []
    with sharing(1):
        run(guard, path, tmp_path / "alone", order)
    assert results(tmp_path / "out") == results(tmp_path / "alone")


def test_a_cluster_that_is_not_there_is_told_at_once(bundle: Path) -> None:
    loading = Loading.of(Guarded(Model.load(bundle)), str(bundle), "cpu")
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9"):
        with pytest.raises(OrnsteinError, match="no Ray cluster at"), hired(address, 1, loading, Order()):
            pass


def test_what_a_worker_met_is_told_as_it_would_have_been_here() -> None:
    met = RefusedError("a check broke down")
    wrapped = RuntimeError("task failed\nTraceback …")
    wrapped.__cause__ = met
    assert _cause(wrapped) is met
    assert str(_cause(RuntimeError("one\ntwo"))) == "a worker broke down: two"
