"""Where are a sampler's steps best spent? Every grid of times, in several numbers of steps, on the same prompts.

    python benchmarks/time_grids.py --model emoji [--count 192] [--steps 20] [--only NAME ...] [--out FOLDER]

KID x 1000 in EfficientNet-lite0 features against training pictures, and alignment, everything else as the model has it.
Pictures are kept in --out and not drawn again.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

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
    "shifted by 0.5": ("kind=shifted", "shift=0.5"),
    "shifted by 1 (uniform flow time)": ("kind=shifted", "shift=1"),
    "shifted by 2": ("kind=shifted", "shift=2"),
    "shifted by 4": ("kind=shifted", "shift=4"),
    "logsnr, -9 to 8": ("kind=logsnr",),
    "logsnr, -9 to 5": ("kind=logsnr", "logsnr_max=5"),
    "karras": ("kind=karras",),
    "karras, rho 5": ("kind=karras", "rho=5"),
    "karras, rho 10": ("kind=karras", "rho=10"),
    "karras, sigma_min 0.1": ("kind=karras", "sigma_min=0.1"),
    "karras, sigma_min 0.01": ("kind=karras", "sigma_min=0.01"),
    "karras, sigma_min 0.005": ("kind=karras", "sigma_min=0.005"),
}


def measured(name: str, steps: int, arguments: argparse.Namespace) -> tuple[Estimate, Estimate | None]:
    """Distance and alignment of a model with another grid.

    The grid is part of what a bundle's fingerprint covers, and the bundle's own is what samples are kept under: so each
    grid has a cache of its own.
    """
    model = Model.load(arguments.model)
    model.recipe = override(model.recipe, [f"sampling.grid.{change}" for change in GRIDS[name]])
    evaluator = Evaluator(model, arguments.out / "-".join(GRIDS[name]).replace("=", "-"))
    plan = Plan(arguments.count, Settings.of(model, steps), 0)
    point = measure(evaluator, plan, plan.settings, find_network(plan.networks[0]))
    return point.distance, point.alignment


def table(lines: list[dict[str, Any]]) -> str:
    """The lines in Markdown."""
    head = ["| grid | steps | KID × 1000 | alignment |", "|---|--:|---|---|"]
    return "\n".join([*head, *(_row(**line) for line in lines)]) + "\n"


def _row(grid: str, steps: int, kid: Estimate, alignment: Estimate | None) -> str:
    shown = f"{alignment.value:.3f} ± {(alignment.high - alignment.low) / 2:.3f}" if alignment else ""
    return f"| {grid} | {steps} | {kid.value:.1f} ± {(kid.high - kid.low) / 2:.1f} | {shown} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--count", type=int, default=192, help="pictures a line (192)")
    parser.add_argument("--steps", type=int, nargs="*", default=[20], help="numbers of steps (20)")
    parser.add_argument("--only", nargs="*", choices=list(GRIDS), help="names of grids (all)")
    parser.add_argument("--out", type=Path, default=Path("runs/time-grids"))
    arguments = parser.parse_args()
    lines: list[dict[str, Any]] = []
    try:
        for name in arguments.only or GRIDS:
            for steps in arguments.steps:
                kid, alignment = measured(name, steps, arguments)
                lines.append({"grid": name, "steps": steps, "kid": kid, "alignment": alignment})
                print(_row(**lines[-1]), file=sys.stderr)
    except OrnsteinError as error:
        sys.exit(f"time_grids: {error}")
    plain = [
        {**line, **{key: asdict(line[key]) for key in ("kid", "alignment") if line[key]}} for line in lines
    ]
    for name, text in (("table.md", table(lines)), ("results.json", json.dumps(plain, indent=1) + "\n")):
        with new_file(arguments.out / name) as part:
            part.write_text(text)
    print(table(lines))


if __name__ == "__main__":
    main()
