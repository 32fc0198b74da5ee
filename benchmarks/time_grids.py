"""Where are a sampler's steps best spent? Every grid of times, in several numbers of steps, on the same prompts.

    python benchmarks/time_grids.py --model emoji [--count 192] [--steps 20] [--only NAME ...] [--out FOLDER]

KID x 1000 against training pictures in EfficientNet-lite0 features and in the scorer's, and alignment; everything else
as the model has it. Pictures are kept in --out and not drawn again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ornstein.config import override
from ornstein.data.atomic import new_file
from ornstein.errors import OrnsteinError
from ornstein.evaluate.estimate import Estimate
from ornstein.evaluate.evaluation import Evaluator, Plan
from ornstein.evaluate.features import find_network
from ornstein.evaluate.samples import Settings
from ornstein.evaluate.sweep import measure
from ornstein.model import Model

GRIDS: dict[str, tuple[str, ...]] = {
    **{f"shifted by {shift:g}": ("kind=shifted", f"shift={shift}") for shift in (0.5, 1, 2, 4)},
    **{f"logsnr, -9 to {top}": ("kind=logsnr", f"logsnr_max={top}") for top in (5, 8)},
    **{
        f"karras, down to {least:g}": ("kind=karras", f"sigma_min={least}", "rho=7")
        for least in (0.005, 0.01, 0.02, 0.05, 0.1)
    },
    **{
        f"karras, rho {rho}": ("kind=karras", "sigma_min=0.02", f"rho={rho}") for rho in (5, 10)
    },
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A grid in so many steps: KID by feature network, and alignment."""

    grid: str
    steps: int
    kid: dict[str, Estimate]
    alignment: Estimate | None


def measured(name: str, steps: int, arguments: argparse.Namespace) -> Line:
    """A model with another grid.

    Samples are kept under the bundle's fingerprint, which covers its own grid: so each grid has a cache of its own.
    """
    model = Model.load(arguments.model)
    model.recipe = override(model.recipe, [f"sampling.grid.{change}" for change in GRIDS[name]])
    evaluator = Evaluator(model, arguments.out / "-".join(GRIDS[name]).replace("=", "-"))
    plan = Plan(arguments.count, Settings.of(model, steps), 0)
    networks = [find_network(plan.networks[0]), *([evaluator.own] if evaluator.own else [])]
    points = {network.name: measure(evaluator, plan, plan.settings, network) for network in networks}
    aligned = next(iter(points.values())).alignment
    return Line(name, steps, {name: point.distance for name, point in points.items()}, aligned)


def table(lines: Sequence[Line]) -> str:
    """The lines in Markdown."""
    names = list(lines[0].kid)
    head = ["grid", "steps", *(f"KID × 1000, {name}" for name in names), "alignment"]
    rows = [
        [line.grid, str(line.steps), *(_cell(line.kid[name], 1) for name in names), _cell(line.alignment, 3)]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def _cell(value: Estimate | None, digits: int) -> str:
    return f"{value.value:.{digits}f} ± {(value.high - value.low) / 2:.{digits}f}" if value else ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--count", type=int, default=192, help="pictures a line (192)")
    parser.add_argument("--steps", type=int, nargs="+", default=[20], help="numbers of steps (20)")
    parser.add_argument("--only", nargs="+", choices=list(GRIDS), help="names of grids (all)")
    parser.add_argument("--out", type=Path, default=Path("runs/time-grids"))
    arguments = parser.parse_args()
    if min(arguments.count, *arguments.steps) < 1:
        parser.error("--count and --steps must be at least 1")
    lines: list[Line] = []
    try:
        for name in arguments.only or GRIDS:
            for steps in arguments.steps:
                print(f"{name}, {steps} steps", file=sys.stderr)
                lines.append(measured(name, steps, arguments))
    except OrnsteinError as error:
        sys.exit(f"time_grids: {error}")
    results = json.dumps([asdict(line) for line in lines], indent=1) + "\n"
    for name, text in (("table.md", table(lines)), ("results.json", results)):
        with new_file(arguments.out / name) as part:
            part.write_text(text)
    print(table(lines))


if __name__ == "__main__":
    main()
