"""One figure: pictures of each family beside real ones, their spectra, and quality by evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ornstein.data.atomic import new_file
from ornstein.evaluate.report import pyplot
from ornstein.output import grid

from .diffusion import Diffusion

ROWS, COLUMNS = 5, 5  # of each family's pictures, the first of its first run
COLOURS = ("#1f5fbf", "#b5791e", "#3a8f4d")
GREY = "#555555"


def draw(
    path: Path,
    real: np.ndarray,
    pictures: Mapping[str, np.ndarray],
    results: Sequence[dict[str, Any]],
    found: dict[str, Any],
) -> None:
    """Write the figure as PNG.

    Args:
        path: of the file.
        real: unseen real pictures, uint8 (N, S, S, C).
        pictures: of one run of each family.
        results: of all runs.
        found: what ``report.summary`` made of them.
    """
    plt = pyplot()
    chart = plt.figure(figsize=(11, 7.5), layout="constrained")
    above, below = chart.subfigures(2, 1, height_ratios=[1.0, 1.35])
    shown = {"real": real, **pictures}
    for axes, (name, some) in zip(above.subplots(1, len(shown)), shown.items(), strict=True):
        axes.imshow(grid(list(some[: ROWS * COLUMNS]), COLUMNS, gap=1), cmap="gray", vmin=0, vmax=255)
        axes.set_title(name)
        axes.axis("off")
    left, right = below.subplots(1, 2)
    colours = dict(zip(pictures, COLOURS, strict=False))
    _spectra(left, results, found, colours)
    _quality(right, found, colours)
    with new_file(path) as part:
        chart.savefig(part, format="png", dpi=150)
    plt.close(chart)


def _spectra(
    axes: Any, results: Sequence[dict[str, Any]], found: dict[str, Any], colours: Mapping[str, str]
) -> None:
    """Power of each run by that of unseen real pictures."""
    real = np.array(found["real"]["spectrum"])
    frequencies = np.arange(1, len(real) + 1)
    axes.axhline(1, color=GREY, linewidth=1, label="real")
    for name, colour in colours.items():
        mine = [result for result in results if result["plan"]["family"] == name]
        for k, result in enumerate(mine):
            ratio = np.maximum(np.array(result["spectrum"]) / real, 1e-4)
            axes.plot(frequencies, ratio, color=colour, linewidth=1.2, label=name if k == 0 else None)
    axes.set_yscale("log")
    axes.set_xlabel("frequency (cycles a picture)")
    axes.set_ylabel("power, by that of real pictures")
    axes.legend(frameon=False)


def _quality(axes: Any, found: dict[str, Any], colours: Mapping[str, str]) -> None:
    """FDr by evaluations: a curve of the diffusion model, a level of each of the others."""
    curve = found["sweep"]
    evaluations = [point["evaluations"] for point in curve]
    mean, low, high = ([point["fdr"][key] for point in curve] for key in ("mean", "low", "high"))
    for name, colour in colours.items():
        if name == Diffusion.name:
            axes.plot(evaluations, mean, "o-", color=colour, markersize=4, label=name)
            axes.fill_between(evaluations, low, high, color=colour, alpha=0.2, linewidth=0)
        else:
            level = found["families"][name]["fdr"]
            axes.axhline(level["mean"], color=colour, label=f"{name}, 1 evaluation")
            axes.axhspan(level["low"], level["high"], color=colour, alpha=0.2, linewidth=0)
    axes.axhline(1, color=GREY, linewidth=1, label="real")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(evaluations, [str(count) for count in evaluations])
    axes.minorticks_off()
    axes.set_xlabel("evaluations a picture")
    axes.set_ylabel("FDr (lower is better)")
    axes.legend(frameon=False)
