"""What the runs say together: means and ranges over seeds, and the diffusion model at the quality of the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .diffusion import Diffusion

QUALITY = {
    "fdr": "FDr ↓", "precision": "precision ↑", "recall": "recall ↑", "least class": "least class ↑",
    "class distance": "class distance ↓", "sharpness": "sharpness → 0", "samples_per_second": "samples/s ↑",
}  # fmt: skip
COST = {
    "weights": "weights that draw", "helper weights": "others trained", "steps": "steps", "batch": "batch",
    "flops": "FLOPs", "seconds": "seconds",
}  # fmt: skip
NOTE = """\
Means over {seeds}, lowest to highest in parentheses; {samples:,} pictures a run, drawn by the running average of the
weights. Each run trained for as many steps as {budget:.3g} FLOPs pay. FDr is the Fréchet distance to training pictures
by that of unseen real pictures, the mean over {networks}; precision and recall are means over the same. Least class:
share of the rarest class by its real share. Class distance: share of pictures that would have to change class.
Sharpness: mean log ratio of power to that of real pictures over the upper half of the frequencies. The VAE draws its
decoder's means, without the noise of its variance. Samples/s: 64 at a time, not compiled; the diffusion model's in
{evaluations} evaluations, the others' in one.
"""


def summary(results: Sequence[dict[str, Any]], real: dict[str, Any]) -> dict[str, Any]:
    """Everything in the table.

    Args:
        results: of all runs, as ``runs.run`` returns them.
        real: figures of unseen real pictures.
    """
    families: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        families.setdefault(result["plan"]["family"], []).append(result)
    found = {name: _family(runs) for name, runs in families.items()}
    curve = sweep(families[Diffusion.name])
    others = [name for name in found if name != Diffusion.name]
    matched = {name: matched_point(curve, found[name]["fdr"]["mean"]) for name in others}
    return {"families": found, "real": real, "sweep": curve, "matched": matched}


def _family(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    keys = [key for key in (*QUALITY, *COST) if key != "batch"]
    return {
        **{key: spread(run[key] for run in runs) for key in keys},
        "batch": spread(run["plan"]["batch"] for run in runs),
        "shares": {name: spread(run["shares"][name] for run in runs) for name in runs[0]["shares"]},
        "diverged": {str(run["plan"]["seed"]): run["diverged"] for run in runs if run["diverged"]},
        "runs": len(runs),
    }


def spread(values: Iterable[float]) -> dict[str, float]:
    """Mean, least and largest."""
    held = list(values)
    return {"mean": float(np.mean(held)), "low": min(held), "high": max(held)}


def sweep(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Distance and rate by number of evaluations, over the seeds, fewest evaluations first."""
    points: dict[int, list[dict[str, Any]]] = {}
    for run in runs:
        for point in run["sweep"]:
            points.setdefault(point["evaluations"], []).append(point)
    return [
        {
            "evaluations": n,
            **{key: spread(p[key] for p in points[n]) for key in ("fdr", "samples_per_second")},
        }
        for n in sorted(points)
    ]


def matched_point(curve: Sequence[dict[str, Any]], fdr: float) -> dict[str, Any] | None:
    """The fewest evaluations whose mean distance is at most `fdr`; None where none gets there."""
    return next((point for point in curve if point["fdr"]["mean"] <= fdr), None)


def table(found: dict[str, Any], results: Sequence[dict[str, Any]]) -> str:
    """The tables as Markdown, with what their columns mean."""
    families, real, plan = found["families"], found["real"], results[0]["plan"]
    quality = [
        [name, *(_cell(row[key]) for key in QUALITY), f"{len(row['diverged'])} of {row['runs']}"]
        for name, row in families.items()
    ]
    quality.append(["unseen real", *(f"{real[key]:.3g}" if key in real else "" for key in QUALITY), ""])
    cost = [[name, *(_cell(row[key]) for key in COST)] for name, row in families.items()]
    shares = [
        [name, f"{share:.3g}", *(_cell(row["shares"][name]) for row in families.values())]
        for name, share in real["shares"].items()
    ]
    note = NOTE.format(
        seeds=f"{max(row['runs'] for row in families.values())} seeds", samples=plan["samples"],
        budget=plan["budget"], networks=" and ".join(real["networks"]),
        evaluations=found["sweep"][-1]["evaluations"],
    )  # fmt: skip
    parts = [
        _markdown(["", *QUALITY.values(), "diverged"], quality), _markdown(["", *COST.values()], cost),
        _markdown(["share of", "unseen real", *families], shares),
        "\n".join(_matched(found)), *_divergences(families), note,
    ]  # fmt: skip
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _matched(found: dict[str, Any]) -> Iterable[str]:
    for name, point in found["matched"].items():
        theirs = _cell(found["families"][name]["samples_per_second"])
        if point is None:
            yield f"- The diffusion model is worse than the {name} ({theirs} samples/s) at every number of evaluations."
        else:
            fdr, rate = _cell(point["fdr"]), _cell(point["samples_per_second"])
            yield (
                f"- Fewest evaluations at which the diffusion model is no worse than the {name} ({theirs} samples/s): "
                f"{point['evaluations']}, with FDr {fdr} and {rate} samples/s."
            )


def _divergences(families: dict[str, Any]) -> list[str]:
    lines = [
        f"- {name}, seed {seed}: {'; '.join(reasons)}"
        for name, row in families.items()
        for seed, reasons in row["diverged"].items()
    ]
    return ["Diverged:\n\n" + "\n".join(lines)] if lines else []


def _cell(held: dict[str, float]) -> str:
    low, mean, high = (_number(held[key]) for key in ("low", "mean", "high"))
    return mean if low == high else f"{mean} ({low} to {high})"


def _number(value: float) -> str:
    if abs(value) >= 1e9:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
