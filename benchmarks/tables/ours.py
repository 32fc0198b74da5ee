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

from .data import Split


def fit_ours(split: Split, seed: int, setting: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, float]]:
    """Train and generate by the command line, as a user would.

    Args:
        split: rows to learn from. seed: of both. setting: ``path=value`` of the recipe.
    """
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        split.train.to_csv(folder / "train.csv", index=False)
        kinds = [f"{c.name}={'number' if c.kind == 'number' else 'category'}" for c in split.columns]
        told = [part for kind in kinds for part in ("--column", kind)]
        told += [part for path, value in setting.items() for part in ("--set", f"{path}={value}")]
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        _ornstein(
            "train", folder / "train.csv", "--out", folder / "run", "--set", f"training.seed={seed}", *told
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        fitted = time.perf_counter()
        bundle = next((folder / "run").glob("*.bundle"), folder / "run" / "bundle")
        rows = folder / "rows.parquet"
        _ornstein("generate", "--model", bundle, "--rows", len(split.train), "--seed", seed, "--out", rows)
        end = time.perf_counter()
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return pd.read_parquet(rows), {
            "fit": round(fitted - start, 2), "fit cpu": round(spent, 2), "sample": round(end - fitted, 2),
        }  # fmt: skip


def _ornstein(*words: object) -> None:
    subprocess.run(
        [sys.executable, "-m", "ornstein", *map(str, words)], check=True, stdout=subprocess.DEVNULL
    )
