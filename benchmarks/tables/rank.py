"""Who is best: every figure of every method on every table, mean over seeds, and the mean of the ranks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from .runs import OURS, UNTUNED

CONTEST = (OURS, "ctgan", "tvae", "copula", "smote")  # the others show the scale and have no rank
SCALE = (UNTUNED, "independent", "copy")
HIGHER = {"shapes": True, "trends": True, "detection": False, "tstr": True, "alpha-precision": True,
          "beta-recall": True, "membership": False}  # fmt: skip
CHANCE = 0.5  # less is no better for a figure that an adversary is to have: it is chance


def ranking(out: Path, tables: Sequence[str], seeds: int) -> str:
    """Markdown: figures of each real table, then ranks, then times. Methods without results are left out."""
    found = {table: _of_table(out / table, seeds) for table in tables}
    return (
        "\n\n".join(
            [*(_figures(table, methods) for table, methods in found.items()), _ranks(found), _times(found)]
        )
        + "\n"
    )


def _of_table(folder: Path, seeds: int) -> dict[str, list[dict[str, Any]]]:
    runs: dict[str, list[dict[str, Any]]] = {}
    for method in (*CONTEST, *SCALE):
        files = [folder / method / f"seed-{seed}.report.json" for seed in range(seeds)]
        held = [json.loads(file.read_text()) for file in files if file.exists()]
        if held:
            runs[method] = held
    return runs


def _values(runs: list[dict[str, Any]], key: str, of: str = "generated") -> np.ndarray:
    return np.array(
        [run["figures"]["rows"][key][of]["value"] for run in runs if of in run["figures"]["rows"][key]]
    )


def _figures(table: str, methods: dict[str, list[dict[str, Any]]]) -> str:
    if not methods:
        return f"## {table}\n\nnothing yet"
    first = next(iter(methods.values()))
    head = [f"{name} ({'higher' if higher else 'lower'})" for name, higher in HIGHER.items()]
    lines = [
        f"## {table}",
        "",
        "| method | seeds | " + " | ".join(head) + " | copied |",
        "|---|--:|" + "--:|" * (len(HIGHER) + 1),
    ]
    for method, runs in methods.items():
        cells = [_spread(_values(runs, key)) for key in (*HIGHER, "copied")]
        lines.append(f"| {method} | {len(runs)} | " + " | ".join(cells) + " |")
    real = [_values(first, key, "real") for key in (*HIGHER, "copied")]
    lines.append(
        "| *real rows* | | " + " | ".join(f"{v.mean():.3f}" if len(v) else "0.5" for v in real) + " |"
    )
    return "\n".join(lines)


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.3f} ± {values.std(ddof=min(1, len(values) - 1)):.3f}"


def _ranks(found: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    names = [name for name in CONTEST if all(name in methods for methods in found.values())]
    if len(names) < 2:
        return "## Ranks\n\nnot all methods have run on all tables"
    ranks = np.array([[_rank(methods, names, key) for key in HIGHER] for methods in found.values()])
    head = " | ".join([*HIGHER, "all", "without membership"])
    lines = ["## Mean rank over the tables, 1 is best", "", f"| method | {head} |"]
    lines.append("|---|" + "--:|" * (len(HIGHER) + 2))
    by_key, every, without = ranks.mean(0), ranks.mean((0, 1)), ranks[:, :-1].mean((0, 1))
    for k in np.argsort(every):
        cells = [f"{value:.2f}" for value in (*by_key[:, k], every[k], without[k])]
        lines.append(f"| {names[k]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _rank(methods: dict[str, list[dict[str, Any]]], names: Sequence[str], key: str) -> np.ndarray:
    means = np.array([_values(methods[name], key).mean() for name in names])
    # Beyond 0.5 an adversary guesses: nobody is rewarded for noise.
    return rankdata(-means) if HIGHER[key] else rankdata(np.maximum(means, CHANCE))


def _times(found: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    lines = ["## Seconds on one thread, medians: learning (of the processor), making as many rows", "",
             "| method | " + " | ".join(found) + " |", "|---|" + "--:|" * len(found)]  # fmt: skip
    for method in (*CONTEST, *SCALE):
        if any(method in methods for methods in found.values()):
            cells = [_seconds(methods.get(method, [])) for methods in found.values()]
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _seconds(runs: list[dict[str, Any]]) -> str:
    if not runs:
        return ""
    fit, sample = (np.median([run["seconds"][what] for run in runs]) for what in ("fit cpu", "sample"))
    return f"{fit:.1f}, {sample:.2f}"
