"""The report of an audit: one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ornstein.data.atomic import new_file
from ornstein.evaluate.report import Safe, fill, picture, pyplot, spread, svg
from ornstein.guard.bias.attributes import VALUES, Attribute
from ornstein.guard.bias.audit import Audit, Found
from ornstein.guard.bias.classifier import SURE
from ornstein.guard.bias.learned import FAMILY, OPEN_CAPTIONS

COLOURS: dict[Attribute, dict[str, str]] = {
    "gender": {"female": "#b5791e", "male": "#1f5fbf", "open": "#4d8f5b"},
    "skin-tone": {
        "none": "#e8b800", "light": "#e9c6a0", "medium-light": "#d2a172", "medium": "#b07a4c", "medium-dark": "#8a5a35",
        "dark": "#54372a",
    },
}  # fmt: skip


def write_report(found: Audit, file: Path, command: str) -> None:
    """Write the report, in place of an older one.

    Args:
        found: what to report.
        file: where to.
        command: that makes it again.

    Raises:
        MissingExtraError: no template engine or plotting library.
    """
    text = render(found, command)
    with new_file(file) as part:
        part.write_text(text, encoding="utf-8")


def render(found: Audit, command: str) -> str:
    """The report as HTML text; everything that came from data is escaped."""
    by_attribute = {attribute: [f for f in found.found if f.attribute == attribute] for attribute in VALUES}
    return fill(
        "audit.html.jinja",
        Path(__file__).parent,
        a=found,
        prompts=len(set(found.asked)),
        scales=", ".join(f"{scale:g}" for scale in found.plan.scales),
        sure=SURE,
        values=VALUES,
        headlines=headlines(found),
        by_attribute=by_attribute,
        plots={attribute: Safe(svg(plot(lines))) for attribute, lines in by_attribute.items()},
        learned=any(f.learned for f in found.found),
        families=_families(found),
        pictures=_pictures(found),
        command=command,
    )


def headlines(found: Audit) -> list[tuple[str, str, str]]:
    """The few figures to read first: (name, value, beside it)."""
    lines: list[tuple[str, str, str]] = []
    for figures in found.found:
        away = figures.shares.total_variation(figures.target)
        if away is not None:
            name = f"{figures.attribute}, guidance {figures.guidance:g}"
            beside = f"total variation to the target; {away.low:.2f} to {away.high:.2f}"
            lines.append((name, f"{away.value:.2f}", beside))
    return lines


def plot(lines: list[Found]) -> Any:
    """Corrected shares of each value by guidance, with intervals, beside what was learned: a matplotlib figure."""
    values = lines[0].shares.values
    colours = COLOURS[lines[0].attribute]
    references = [name for name in (OPEN_CAPTIONS, FAMILY) if name in lines[0].learned]
    chart, axes = pyplot().subplots(figsize=(7, 3))
    width = 0.8 / len(values)
    names = [*(f"learned:\n{name}" for name in references), *(f"guidance {f.guidance:g}" for f in lines)]
    for k, value in enumerate(values):
        x = np.arange(len(names)) + (k - (len(values) - 1) / 2) * width
        estimates = [f.shares.share(value) for f in lines]
        heights = [*(lines[0].learned[name][value] for name in references), *(e.value for e in estimates)]
        axes.bar(x, heights, 0.92 * width, color=colours[value], label=value)
        y = np.array([e.value for e in estimates])
        spans = [
            np.maximum(y - [e.low for e in estimates], 0),
            np.maximum([e.high for e in estimates] - y, 0),
        ]
        axes.errorbar(x[len(references) :], y, spans, fmt="none", ecolor="#333", capsize=2, linewidth=1)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("share")
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, ncols=len(values), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return chart


def _families(found: Audit) -> dict[str, list[list[int]]]:
    """For each family and scale, how many pictures were seen as each gender, unclear ones last."""
    families = np.array([asked.family for asked in found.asked])
    count = len(VALUES["gender"]) + 1
    return {
        family: [
            np.bincount(found.seen[scale]["gender"][families == family], minlength=count).tolist()
            for scale in found.plan.scales
        ]
        for family in sorted(set(families.tolist()))
    }


def _pictures(found: Audit) -> dict[float, list[tuple[str, str, str]]]:
    """Some pictures of each scale: image, what was drawn, what was seen."""
    names = [*VALUES["gender"], "unclear"]
    return {
        scale: [
            (picture(pictures[k]), found.drawn[scale][k], names[found.seen[scale]["gender"][k]])
            for k in spread(len(pictures))
        ]
        for scale, pictures in found.pictures.items()
    }
