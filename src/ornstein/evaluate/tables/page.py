"""The report of a generated table: one HTML file that needs nothing else, in the style of all evaluations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ornstein.data.atomic import new_file
from ornstein.evaluate.report import INK, PALE, Safe, fill, pyplot, svg
from ornstein.evaluate.tables.columns import Column, texts
from ornstein.evaluate.tables.report import Report

WORST = 6  # columns and pairs that are shown
SHARES = 12  # categories a plot has room for


def write_report(found: Report, file: Path, command: str) -> None:
    """Write the report, in place of an older one; `command` makes it again."""
    text = render(found, command)
    with new_file(file) as part:
        part.write_text(text, encoding="utf-8")


def render(found: Report, command: str) -> str:
    """The report as HTML text; everything that came from data is escaped."""
    kinds = {name: Column(name, kind) for name, kind in found.facts["columns"].items()}
    columns = sorted(found.likeness.shapes.items(), key=lambda scored: scored[1])
    pairs = sorted(found.likeness.trends.items(), key=lambda scored: scored[1])
    return fill(
        "tables/report.html.jinja",
        r=found,
        headlines=headlines(found),
        columns=columns,
        pairs=pairs[: 2 * WORST],
        plots=[Safe(column_plot(kinds[name], found.test, found.synthetic)) for name, _ in columns[:WORST]],
        heat=Safe(trend_plot(found)) if len(pairs) > 1 else "",
        names=list(kinds),
        rows=list(zip(found.nearest, found.rows, strict=True)),
        command=command,
    )


def headlines(found: Report) -> list[tuple[str, str, str]]:
    """The few figures to read first: (name, value, beside it)."""
    names = {
        "shapes": "Columns alike", "trends": "Pairs alike", "detection": "Told from real",
        "tstr": "Worth as training data", "membership": "Members told", "copied": "Copied rows",
    }  # fmt: skip
    lines: list[tuple[str, str, str]] = []
    for figure in found.figures:
        if figure.key in names:
            digits = 3 if figure.key in ("detection", "membership", "copied") else 2
            beside = f"real rows: {figure.real.value:.{digits}f}" if figure.real else "a guess: 0.500"
            lines.append((names[figure.key], f"{figure.generated.value:.{digits}f}", beside))
    return lines


def column_plot(column: Column, test: pd.DataFrame, synthetic: pd.DataFrame) -> str:
    """How often each value is held-out (amber) and generated (blue), as SVG."""
    chart, axes = pyplot().subplots(figsize=(3.4, 2.1))
    pairs = ((test[column.name], PALE), (synthetic[column.name], INK))
    if column.kind == "number":
        held = [(pd.to_numeric(values).dropna().to_numpy(np.float64), colour) for values, colour in pairs]
        low, high = np.quantile(np.concatenate([values for values, _ in held]), [0.005, 0.995])
        edges = np.linspace(low, high if high > low else low + 1, 31)
        for values, colour in held:
            share = np.histogram(np.clip(values, low, high), edges)[0] / max(1, len(values))
            axes.stairs(share, edges, color=colour, linewidth=1.4)
    else:
        shares = [texts(values).fillna("missing").value_counts(normalize=True) for values, _ in pairs]
        shown = shares[0].add(shares[1], fill_value=0).sort_values(ascending=False).index[:SHARES]
        for (_, colour), share, offset in zip(pairs, shares, (-0.2, 0.2), strict=True):
            axes.bar(np.arange(len(shown)) + offset, share.reindex(shown).fillna(0), 0.4, color=colour)
        axes.set_xticks(
            range(len(shown)), [str(name)[:14] for name in shown], rotation=40, ha="right", fontsize=7
        )
    axes.set_title(column.name, fontsize=9)
    return svg(chart)


def trend_plot(found: Report) -> str:
    """The score of every pair of columns, as SVG: dark is alike."""
    names = list(found.likeness.shapes)
    place = {name: k for k, name in enumerate(names)}
    grid = np.full((len(names), len(names)), np.nan)
    for (a, b), score in found.likeness.trends.items():
        grid[place[a], place[b]] = grid[place[b], place[a]] = score
    side = min(9.0, 2.2 + 0.28 * len(names))
    chart, axes = pyplot().subplots(figsize=(side, side))
    shown = axes.imshow(grid, vmin=min(0.8, float(np.nanmin(grid))), vmax=1, cmap="Blues")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    chart.colorbar(shown, shrink=0.6)
    return svg(chart)
