"""The report of an evaluation: one HTML file that needs nothing else, readable on a phone."""

from __future__ import annotations

import base64
import importlib.util
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ornstein.data.atomic import new_file
from ornstein.errors import MissingExtraError
from ornstein.evaluate.compare import Row
from ornstein.evaluate.energy import WATTS_A_CORE
from ornstein.evaluate.estimate import Estimate
from ornstein.evaluate.evaluation import Evaluation
from ornstein.evaluate.fidelity import Figure
from ornstein.evaluate.prices import Prices
from ornstein.evaluate.sweep import EVALUATIONS, Sweep
from ornstein.output import to_image

SHOWN = 48  # pairs of generated and real pictures
INK, PALE = "#1f5fbf", "#b5791e"  # generated, real


def require_extra() -> None:
    """Raise MissingExtraError before hours of work, not after, where a report could not be written."""
    for module in ("jinja2", "matplotlib", "scipy", "pyarrow"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("measuring a model", "eval")


def write_report(found: Evaluation, file: Path, command: str, sweep: Sweep | None = None) -> None:
    """Write the report, in place of an older one.

    Args:
        found: what to report.
        file: where to.
        command: that makes it again.
        sweep: of settings, where there was one.

    Raises:
        MissingExtraError: no template engine or plotting library.
    """
    text = render(found, command, sweep)
    with new_file(file) as part:
        part.write_text(text, encoding="utf-8")


def render(found: Evaluation, command: str, sweep: Sweep | None = None) -> str:
    """The report as HTML text; everything that came from data is escaped."""
    networks: dict[str, list[Figure]] = {}
    for figure in found.figures:
        networks.setdefault(figure.features or "prompts and pictures", []).append(figure)
    shown = spread(len(found.prompts))
    return fill(
        "report.html.jinja",
        e=found,
        headlines=headlines(found),
        pairs=[(found.prompts[k], picture(found.generated[k]), picture(found.unseen[k])) for k in shown],
        by_network=networks,
        plots={name: Safe(ratios(figures)) for name, figures in networks.items()},
        suspects=[(picture(made), picture(real)) for made, real in found.suspects],
        sweep=sweep,
        sweep_plots=[Safe(plot) for plot in sweep_plots(sweep)] if sweep else [],
        command=command,
        watts=WATTS_A_CORE,
        core_hour=Prices().core_hour,
        gpu_hour=Prices().gpu_hour,
    )


def render_comparison(evaluations: Sequence[Evaluation], rows: Sequence[Row], command: str) -> str:
    """Several evaluations of the same prompts, and their figures side by side, as HTML text."""
    first = evaluations[0]
    shown = [
        (first.prompts[k], [picture(e.generated[k]) for e in evaluations] + [picture(first.unseen[k])])
        for k in spread(len(first.prompts))
    ]
    names = [e.model for e in evaluations]
    return fill(
        "compare.html.jinja",
        names=names,
        count=len(first.prompts),
        rows=rows,
        shown=shown,
        command=command,
        notes=[e.words.note for e in evaluations if e.words.note],
    )


def spread(count: int) -> list[int]:
    """Up to `SHOWN` places, evenly spaced, so that neither chance nor an author chose what is shown."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(SHOWN, count)).tolist()})


class Safe(str):
    """Text that is markup already: our own SVG."""

    def __html__(self) -> str:
        return self


def fill(template: str, folder: Path = Path(__file__).parent, /, **values: Any) -> str:
    """A template of `folder` or of this one, filled in; values are escaped, save those that say they are `Safe`."""
    try:
        import jinja2
    except ImportError:
        raise MissingExtraError("a report", "eval") from None
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
    )  # fmt: skip
    return environment.get_template(template).render(values)


def headlines(found: Evaluation) -> list[tuple[str, str, str]]:
    """The few figures to read first: (name, value, beside it)."""
    ratios_found = [figure.generated for figure in found.figures if figure.key == "fdr"]
    lines: list[tuple[str, str, str]] = []
    if ratios_found:
        mean = float(np.mean([r.value for r in ratios_found]))
        lines.append(("FDr", f"{mean:.2f}", f"mean of {len(ratios_found)} feature networks; 1 is real"))
    for key, name in (
        ("alignment", "Alignment"),
        ("prompt-r1", "Right prompt first"),
        ("class", "Right class"),
        ("tstr", "Worth as training data"),
        ("coverage", "Coverage"),
    ):
        figure = next((f for f in found.figures if f.key == key), None)
        if figure is not None and figure.real is not None:
            lines.append((name, f"{figure.generated.value:.2f}", f"real pictures: {figure.real.value:.2f}"))
    words = found.words
    lines += [
        (
            f"Flagged as {words.copies}",
            f"{c.flagged.value:.1%}",
            f"{words.unseen} real pictures: {c.expected.value:.1%}",
        )
        for c in found.copying.values()
    ]
    if found.cost is not None:
        lines.append(("A picture takes", f"{found.cost.seconds / 1000:.2f} s", found.cost.machine))
    return lines


def picture(array: np.ndarray) -> str:
    """A premultiplied picture as a data address."""
    buffer = io.BytesIO()
    to_image(array).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def ratios(figures: Sequence[Figure]) -> str:
    """Each figure as a share of its real value, with intervals, as SVG; empty where there is nothing to show."""
    rows = [f for f in figures if f.real is not None and f.real.value > 0 and f.generated.value > 0]
    if not rows:
        return ""
    plt = pyplot()
    chart, axes = plt.subplots(figsize=(7, 0.6 + 0.34 * len(rows)))
    for place, figure in enumerate(reversed(rows)):
        assert figure.real is not None
        for estimate, colour, offset in ((figure.real, PALE, -0.13), (figure.generated, INK, 0.13)):
            _bar(axes, estimate, figure.real.value, place + offset, colour)
    axes.axvline(1, color="#999", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [f"{f.key} ({f.better})" for f in reversed(rows)])
    axes.set_xlabel("relative to real pictures (amber); generated in blue")
    return svg(chart)


def sweep_plots(found: Sweep) -> list[str]:
    """Distance and alignment against guidance; distance against evaluations by sampler: SVG."""
    guided, methods = found.guided, found.methods
    plt = pyplot()
    charts: list[str] = []
    chart, axes = plt.subplots(figsize=(7, 3))
    scales = [point.settings.guidance for point in guided]
    _line(axes, scales, [point.distance for point in guided], "KID ×1000", "#1f5fbf")
    axes.set_xlabel("guidance")
    axes.set_ylabel("KID ×1000 (lower is better)")
    if all(point.alignment for point in guided):
        other = axes.twinx()
        other.spines["right"].set_visible(True)
        values = [point.alignment for point in guided if point.alignment]
        _line(other, scales, values, "alignment", "#b5791e")
        other.set_ylabel("alignment (higher is better)")
    charts.append(svg(chart))
    chart, axes = plt.subplots(figsize=(7, 3))
    for name in dict.fromkeys(point.settings.sampler for point in methods):
        mine = [point for point in methods if point.settings.sampler == name]
        axes.plot(
            [p.evaluations for p in mine],
            [p.distance.value for p in mine],
            "o-",
            label=name,
            markersize=4,
        )
    axes.set_xscale("log")
    axes.set_xticks(EVALUATIONS, [str(count) for count in EVALUATIONS])
    axes.set_xlabel("evaluations a picture (guided ones count once)")
    axes.set_ylabel("KID ×1000 (lower is better)")
    axes.legend(frameon=False)
    charts.append(svg(chart))
    return charts


def pyplot() -> Any:
    """Matplotlib's plotting module, drawing to nothing. Raises MissingExtraError."""
    try:
        import matplotlib

        matplotlib.use("svg")
        import matplotlib.pyplot
    except ImportError:
        raise MissingExtraError("plots", "eval") from None
    matplotlib.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "ornstein",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )  # fmt: skip
    return matplotlib.pyplot


def svg(chart: Any) -> str:
    """A figure as an SVG element, without the header of a file, the same bytes each time."""
    buffer = io.StringIO()
    chart.savefig(buffer, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None})
    pyplot().close(chart)
    text = buffer.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


def _bar(axes: Any, estimate: Estimate, unit: float, place: float, colour: str) -> None:
    low, value, high = (max(x, 1e-9) / unit for x in (estimate.low, estimate.value, estimate.high))
    axes.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="round")
    axes.plot([value], [place], "o", color=colour, markersize=4.5)


def _line(axes: Any, x: Sequence[float], values: Sequence[Estimate], label: str, colour: str) -> None:
    y = np.array([value.value for value in values])
    below, above = y - [value.low for value in values], np.array([value.high for value in values]) - y
    axes.errorbar(x, y, [below, above], fmt="o-", color=colour, label=label, markersize=4, capsize=2)
