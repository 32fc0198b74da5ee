"""A table with laws that are known, and a model that learned it in seconds."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ornstein.loading import load
from ornstein.tables import TableModel
from ornstein.train.loop import Trainer
from ornstein.train.tables import TableTask, table_task
from tests.small import ornstein

__all__ = ["ornstein"]

SMALL = ("network.width=96", "network.depth=2", "sampling.steps=20", "optimiser.warmup=2000")


def known_table(rows: int = 600) -> pd.DataFrame:
    """Height follows sex, weight follows height, a child has no job; some gaps, a key and a constant."""
    random = np.random.default_rng(5)
    sex = random.choice(["F", "M"], rows, p=[0.7, 0.3])
    height = np.round(np.where(sex == "F", 165, 180) + random.normal(0, 5, rows), 1)
    weight = np.round((height - 100) * 0.9 + random.normal(0, 2, rows), 2)
    age = random.integers(0, 90, rows)
    job = np.where(age < 16, "none", random.choice(["smith", "cook", "clerk"], rows))
    job = pd.Series(job, dtype=object).mask(random.random(rows) < 0.1, None)
    born = (np.datetime64("2024-01-01") - age * 365).astype("datetime64[D]").astype(str)
    return pd.DataFrame(
        {
            "id": np.arange(1, rows + 1), "sex": sex, "height": height, "weight": weight, "age": age, "job": job,
            "born": born, "country": "NO",
        }
    )  # fmt: skip


def task(samples: int = 60_000, *changes: str) -> TableTask:
    """Of the known table, small."""
    return table_task(known_table(), "people", changes=[f"training.samples={samples}", *SMALL, *changes])


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """The known table."""
    return known_table()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a model that learned the known table."""
    run = tmp_path_factory.mktemp("people")
    trainer = Trainer(task(), run)
    deque(trainer.steps(), maxlen=0)
    return trainer.write_bundle(run / "bundle")


@pytest.fixture(scope="session")
def model(bundle: Path) -> TableModel:
    """The same, loaded."""
    loaded = load(bundle)
    assert isinstance(loaded, TableModel)
    return loaded
