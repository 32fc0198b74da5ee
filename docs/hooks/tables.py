"""Fills pages from the program: the command line's options, the samplers, the recipes, the paths' curves.

A line ``<!-- NAME arguments -->`` becomes what the function of that name in ``FILLED`` returns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_LINE = re.compile(r"^<!-- (?P<name>[a-z-]+)(?P<arguments>(?: \S+)*) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each line that asks to be filled; an unknown name stops the build."""
    return _LINE.sub(lambda match: FILLED[match["name"]](*match["arguments"].split()), markdown)


def commands() -> str:
    """Every verb with its arguments and options."""
    import typer

    from ornstein.cli import app

    return "\n".join(_command(typer.main.get_command(app), "ornstein"))


def _command(command: Any, path: str) -> Iterator[str]:
    inner: dict[str, Any] = getattr(command, "commands", {})
    if not inner:
        yield f"## `{path}`\n\n{command.help or ''}\n"
        rows = [row for parameter in command.params if (row := _parameter(parameter))]
        if rows:
            yield "\n".join(["| | default | |", "|---|---|---|", *rows]) + "\n"
    for name, child in inner.items():
        if not child.hidden:
            yield from _command(child, f"{path} {name}")


def _parameter(parameter: Any) -> str | None:
    if parameter.name == "help" or getattr(parameter, "hidden", False):
        return None
    if parameter.param_type_name == "argument":
        repeated = "…" if parameter.nargs == -1 else ""
        name = f"`{(parameter.metavar or parameter.name or '').upper()}{repeated}`"
    else:
        name = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    if parameter.required:
        shown = "required"
    elif default in (None, False, "", (), []) or callable(default):
        shown = ""
    else:
        shown = f"`{default}`"
    text = (getattr(parameter, "help", None) or "").replace("|", "\\|").replace("\n", " ")
    return f"| {name} | {shown} | {text} |"


def samplers() -> str:
    """The methods a user can name."""
    import torch

    from ornstein.sample.registry import METHODS

    sample = torch.zeros(1, 2)
    rows: list[str] = []
    for name, m in METHODS.items():
        kept = sum(isinstance(v, torch.Tensor) and v.shape == sample.shape for v in m.fresh(sample).values())
        noise = "yes" if m.stochastic else "no"
        rows.append(f"| `{name}` | {m.order} | {m.evaluations} | {kept} | {noise} | {m.summary} |")
    head = "| name | order | evaluations a step | samples remembered | draws noise | |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def recipe(name: str) -> str:
    """A recipe as resolved, every key that ``--set`` takes."""
    from ornstein.recipes import find_recipe

    values = find_recipe(name).model_dump(mode="json")
    rows = [f"| `{key}` | `{value}` |" for key, value in _flat("", values)]
    return "\n".join(["| key | value |", "|---|---|", *rows])


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{path}.{name}" if path else name, inner)
        return
    text = json.dumps(value, ensure_ascii=False)
    yield path, (text if len(text) <= 90 else text[:88] + " …").replace("|", "\\|")


def paths() -> str:
    """Two charts of every path: the share of data left, and logsnr, against time."""
    import torch

    from ornstein.process.gaussian import Cosine, DiscreteBeta, Flow, LinearBeta, VarianceExploding

    t = torch.linspace(0, 1, 201, dtype=torch.float64)
    known = (Flow(), Cosine(), LinearBeta(), DiscreteBeta(), VarianceExploding())
    curves = {path.kind: path(t) for path in known}
    share = {name: (c.alpha / c.scale).tolist() for name, c in curves.items()}
    logsnr = {name: c.logsnr.tolist() for name, c in curves.items()}
    charts = (
        _chart("share of data in unit-variance x_t", t.tolist(), share, (0, 1)),
        _chart("logsnr", t.tolist(), logsnr, (-12, 12)),
    )
    legend = "".join(
        f'<span><i style="background:{colour}"></i><code>{name}</code></span>'
        for name, colour in zip(curves, COLOURS, strict=True)
    )
    return f'<div class="charts">{"".join(charts)}</div>\n<div class="legend">{legend}</div>'


COLOURS = ("#3b7dd8", "#d2691e", "#2e9e6b", "#9b59b6", "#c0392b")
WIDTH, HEIGHT, LEFT, BOTTOM = 360, 240, 34, 24


def _chart(title: str, x: list[float], curves: dict[str, list[float]], ends: tuple[float, float]) -> str:
    low, high = ends

    def place(a: float, b: float) -> str:
        across = LEFT + a * (WIDTH - LEFT - 8)
        down = 20 + (high - min(max(b, low), high)) / (high - low) * (HEIGHT - BOTTOM - 20)
        return f"{across:.1f},{down:.1f}"

    lines = "".join(
        f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
        + " ".join(place(a, b) for a, b in zip(x, curve, strict=True) if low <= b <= high)
        + '"/>'
        for curve, colour in zip(curves.values(), COLOURS, strict=True)
    )
    marks = "".join(_mark(place(0, b), f"{b:g}", "end", -6, 4) for b in (low, (low + high) / 2, high))
    marks += "".join(_mark(place(a, low), f"{a:g}", "middle", 0, 16) for a in (0, 0.5, 1))
    left, right = place(0, low), place(1, low)
    axes = (
        f'<polyline fill="none" stroke="currentColor" opacity=".4" points="{place(0, high)} {left} {right}"/>'
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title} against time">'
        f'<text x="{LEFT}" y="12">{title}</text>{axes}{marks}{lines}</svg>'
    )


def _mark(place: str, text: str, anchor: str, right: int, down: int) -> str:
    x, y = (float(part) for part in place.split(","))
    return f'<text x="{x + right:.0f}" y="{y + down:.0f}" text-anchor="{anchor}">{text}</text>'


FILLED: dict[str, Callable[..., str]] = {
    "commands": commands,
    "samplers": samplers,
    "recipe": recipe,
    "paths": paths,
}
