"""One run: a method with a setting and a seed on a table. What was made, how long it took, what it is worth: kept.

The rows are kept beside the figures, so a stopped benchmark goes on where it was, and new figures need no new fits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ornstein.data.atomic import new_file
from ornstein.evaluate.tables.columns import Reading
from ornstein.evaluate.tables.detection import detection
from ornstein.evaluate.tables.report import report
from ornstein.evaluate.tables.usefulness import usefulness

from .data import Split
from .frames import complete, restore
from .ours import SETTINGS, fit_ours
from .rivals import METHODS, Setting

OURS, UNTUNED = "ornstein", "ornstein-untuned"
TUNED = 0.5  # of the updates is what a fit for tuning gets


@dataclass(frozen=True)
class Made:
    """Generated rows, and the seconds and processor seconds of learning and of making them."""

    frame: pd.DataFrame
    seconds: dict[str, float]


class Runs:
    """All runs on one table, in a folder.

    Args:
        split: rows to learn from and to judge by. folder: of this table's runs. tell: told of each run.
    """

    def __init__(self, split: Split, folder: Path, tell: Callable[[str], None]) -> None:
        self.split, self.folder, self.tell = split, folder, tell

    def judged(self, method: str, seed: int) -> dict[str, Any]:
        """Figures of a method at its chosen setting."""
        file = self.folder / method / f"seed-{seed}.report.json"
        if not file.exists():
            setting, made = (
                self.chosen(method),
                self._made(self.split, method, self.chosen(method), seed, f"seed-{seed}"),
            )
            found = report(
                self.split.train,
                self.split.test,
                made.frame,
                self.split.columns,
                self.split.target,
                model=method,
            )
            _write(file, {**found.metrics(), "setting": setting, "seed": seed, "seconds": made.seconds})
            figures = found.metrics()["figures"]["rows"]
            shown = " ".join(
                f"{k} {figures[k]['generated']['value']:.3f}" for k in ("detection", "tstr", "membership")
            )
            self.tell(f"{self.split.name} {method} seed {seed}: {shown}")
        return json.loads(file.read_text())

    def chosen(self, method: str) -> Setting:
        """The setting that makes the best of the training rows alone: usefulness minus detection, on those held out."""
        settings = _settings(method)
        if len(settings) == 1:
            return settings[0]
        file = self.folder / method / "tuned.json"
        if not file.exists():
            split = self.split.tuning
            tried = [
                {"setting": setting, **_score(split, made), "seconds": made.seconds}
                for k, setting in enumerate(settings)
                for made in [self._made(split, method, setting, 0, f"tune-{k}")]
            ]
            _write(file, max(tried, key=lambda one: one["score"]) | {"tried": tried})
            self.tell(
                f"{self.split.name} {method} tuned: " + " ".join(f"{one['score']:.3f}" for one in tried)
            )
        return json.loads(file.read_text())["setting"]

    def _made(self, split: Split, method: str, setting: Setting, seed: int, name: str) -> Made:
        rows, facts = (self.folder / method / f"{name}{end}" for end in (".parquet", ".json"))
        if not facts.exists():
            rows.parent.mkdir(parents=True, exist_ok=True)
            effort = TUNED if name.startswith("tune") else 1.0
            made = (
                fit_ours(split, seed, setting, effort)
                if method in (OURS, UNTUNED)
                else _rival(method, split, seed, setting, effort)
            )
            with new_file(rows) as part:
                made[0].to_parquet(part)
            _write(facts, {"setting": setting, "seed": seed, "seconds": made[1]})
            self.tell(f"{split.name} {method} {name}: {json.dumps(made[1])}")
        return Made(pd.read_parquet(rows), json.loads(facts.read_text())["seconds"])


def _rival(
    method: str, split: Split, seed: int, setting: Setting, effort: float
) -> tuple[pd.DataFrame, dict[str, float]]:
    table = complete(split.train, split.columns)
    start = time.perf_counter(), time.process_time()
    sample = METHODS[method].fit(table, split.target, seed, setting, effort)
    fitted = time.perf_counter(), time.process_time()
    made = sample(len(split.train))
    end = time.perf_counter()
    return restore(made, split.train, split.columns), {
        "fit": round(fitted[0] - start[0], 2), "fit cpu": round(fitted[1] - start[1], 2),
        "sample": round(end - fitted[0], 2),
    }  # fmt: skip


def _settings(method: str) -> tuple[Setting, ...]:
    if method == UNTUNED:
        return ({},)
    return SETTINGS if method == OURS else METHODS[method].settings


def _score(split: Split, made: Made) -> dict[str, float]:
    reading = Reading(split.columns, split.train)
    train, test, rows = (reading(frame) for frame in (split.train, split.test, made.frame))
    told = detection(reading, test, rows).value
    useful = usefulness(reading, train, test, rows, split.target).synthetic.value
    return {"detection": told, "tstr": useful, "score": useful - told}


def _write(file: Path, value: dict[str, Any]) -> None:
    with new_file(file) as part:
        part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
