"""Ornstein as the others are run: learns from a file of rows, makes as many."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from ornstein.evaluate.tables.columns import Column
from ornstein.train.tables import length

from .data import Split

SETTINGS = (  # of the same cost: the recipe as it is, against overfitting, slower, and all of it for whole rows
    {}, {"network.dropout": 0.1}, {"optimiser.adamw": 1e-3}, {"objective.given": 0.0},
)  # fmt: skip


def fit_ours(
    split: Split, seed: int, setting: dict[str, Any], effort: float
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Train and generate by the command line, as a user would; starting the two programs counts.

    Args:
        split: rows to learn from.
        seed: of both.
        setting: values of the recipe by their path, such as ``{"network.dropout": 0.1}``.
        effort: share of the recipe's samples.

    Returns:
        As many rows as were learned from, and seconds.
    """
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        split.train.to_csv(folder / "train.csv", index=False)
        told = [part for c in split.columns for part in ("--column", f"{c.name}={_type(c, split.train)}")]
        samples = round(effort * length(len(split.train)))
        values = {"training.seed": seed, "training.samples": samples, **setting}
        told += [part for path, value in values.items() for part in ("--set", f"{path}={value}")]
        start, before = time.perf_counter(), _spent()
        _ornstein("train", folder / "train.csv", "--out", folder / "run", "--device", "cpu", *told)
        fitted, after = time.perf_counter(), _spent()
        rows = folder / "rows.parquet"
        made = "--rows", len(split.train), "--seed", seed, "--out", rows
        _ornstein("generate", "--model", folder / "run" / "bundle", *made)
        end = time.perf_counter()
        return pd.read_parquet(rows), {
            "fit": round(fitted - start, 2), "fit cpu": round(after - before, 2), "sample": round(end - fitted, 2),
        }  # fmt: skip


def _type(column: Column, train: pd.DataFrame) -> str:
    if column.kind == "category":
        return "category"
    held = train[column.name].dropna()
    return "integer" if (held == held.round()).all() else "number"


def _spent() -> float:
    """Processor seconds of all programs that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ornstein(*words: object) -> None:
    subprocess.run(
        [sys.executable, "-m", "ornstein", *map(str, words)], check=True, stdout=subprocess.DEVNULL
    )
