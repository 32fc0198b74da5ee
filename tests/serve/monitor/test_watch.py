"""What is done beside the service reaches the metrics and the books."""

from __future__ import annotations

import logging
import sqlite3
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from ornstein.bundle import Bundle
from ornstein.serve.books import Accepted, Books
from ornstein.serve.books.values import now
from ornstein.serve.monitor.drift import looked_at
from ornstein.serve.monitor.metrics import Metrics
from ornstein.serve.monitor.reference import Reference, default_path
from ornstein.serve.monitor.watch import Watch
from tests.serve.monitor.test_drift import Colours, pictures
from tests.serve.monitor.test_metrics import values
from tests.small import bundle

__all__ = ["bundle"]


@pytest.fixture
def books(tmp_path: Path, monkeypatch) -> Books:
    """Books at home."""
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path))
    return Books.open()


def test_drift_and_refusals_reach_the_metrics(books: Books, bundle: Path, monkeypatch):
    monkeypatch.setattr("ornstein.serve.monitor.watch.find_network", lambda name: Colours())
    opened = Bundle.open(bundle)
    name, metrics = opened.facts.name, Metrics([opened.facts.name])
    watch = Watch(books, metrics, days=None)
    assert not watch.follow(opened)  # it has no reference yet
    watch.ended(name, True, pictures(1, 0))
    features = torch.stack(looked_at(Colours(), pictures(200, 1)))
    Reference(features, Colours.key, opened.fingerprint, "test").save(default_path(opened.fingerprint))
    assert watch.follow(opened, share=1.0)
    for picture in pictures(100, 2, red=80):
        watch.ended(name, False, [picture])
        watch._drifts[name].settle()
    watch.measure()
    found = values(metrics)
    assert found["ornstein_drift_kid", frozenset([name, "low"])] > 0
    assert found["ornstein_drift_pictures", frozenset([name])] == 100
    assert found["ornstein_refusal_ratio", frozenset(["value"])] == pytest.approx(1 / 101)
    watch.close()


def test_pruning_comes_first_and_its_failure_stops_nothing(books: Books, caplog):
    for name, age in (("old", 40), ("new", 1)):
        books.accept(Accepted(name, "ann", "emoji", "generation", created=now() - timedelta(days=age)))
    watch = Watch(books, Metrics([]), days=30)
    watch.start()
    watch.close()
    assert [entry.id for entry in books.history("ann")] == ["new"]
    other = sqlite3.connect(books.database.url.database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with caplog.at_level(logging.WARNING):
        watch.prune()
    assert "not pruned" in caplog.text


def test_pictures_are_whatever_the_engine_makes(books: Books):
    Watch(books, Metrics([]), None).ended("unknown", False, [np.zeros((4, 4, 1), np.uint8)])
