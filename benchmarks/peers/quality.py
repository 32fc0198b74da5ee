"""Seconds to equal quality: one trained network, sampled by diffusers' schedulers and by Ornstein.

    python benchmarks/peers/quality.py --model fashion [--count 2000] [--schedulers ddim dpmpp …] [--out FOLDER]

Every schedule draws pictures of the same classes with the same seeds in several numbers of steps. FDr is the Fréchet
distance to training pictures over that of unseen real ones, in the classifier's features. Three questions in seconds a
picture: what do the plain defaults cost, what does Ornstein need to be as good as a peer's defaults are, and what does
each need to come within 5% of its own best.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import require_peers  # noqa: F401

# isort: split
import numpy as np
from judge import Judge, judges
from rich.console import Console
from rich.progress import Progress
from schedules import SCHEDULERS, drawn, scheduler

from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.model import Model
from ornstein.recipes.recipe import ClassesCondition
from ornstein.request import BATCHES

NEAR = 1.05  # of the best FDr counts as equal
STEPS = {
    "ddim": (5, 10, 20, 50, 100), "dpmpp": (5, 8, 10, 15, 20, 25, 30, 50),
    "dpmpp-karras": (5, 8, 10, 15, 20, 25, 30), "ddpm": (1000,),
}  # fmt: skip
DEFAULTS = {"ddim": 50, "dpmpp": 25, "dpmpp-karras": 25, "ddpm": 1000}
"""Steps of the pipelines by default, and of DiTPipeline's example."""
OWN_STEPS = (5, 8, 10, 15, 20, 30, 50)
OURS = "ornstein"


@dataclass(frozen=True)
class Entry:
    """One schedule in one number of steps: median seconds a picture with quartiles, and FDr."""

    schedule: str
    steps: int
    seconds: float
    low: float
    high: float
    fdr: float


def measure(model: Model, judge: Judge, ladder: Sequence[tuple[str, int]]) -> list[Entry]:
    """Draw as many pictures as the judge asks for with every entry of the ladder, all in turns, batch by batch."""
    assert isinstance(model.recipe.condition, ClassesCondition)
    names, size = model.recipe.condition.names, BATCHES["cpu"][0]
    works = [_work(model, *entry) for entry in ladder]
    pictures: list[list[np.ndarray]] = [[] for _ in ladder]
    spent: list[list[float]] = [[] for _ in ladder]
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("drawing", total=judge.count)
        for start in range(0, judge.count, size):
            seeds = range(start, min(start + size, judge.count))
            prompts = [names[seed % len(names)] for seed in seeds]
            for k, work in enumerate(works):
                started = time.perf_counter()
                pictures[k].append(work(prompts, seeds))
                spent[k].append((time.perf_counter() - started) / len(seeds))
            bar.advance(task, len(seeds))
    return [
        _entry(*ladder[k], spent[k], judge.distance(np.concatenate(pictures[k])) / judge.floor)
        for k in range(len(ladder))
    ]


def _work(model: Model, name: str, steps: int) -> Callable[[Sequence[str], Sequence[int]], np.ndarray]:
    if name == OURS:
        return lambda prompts, seeds: np.stack(
            [output.array for output in model.generate(prompts, list(seeds), steps=steps)]
        )
    schedule = scheduler(name, model)
    return lambda prompts, seeds: drawn(model, schedule, steps, prompts, seeds)


def _entry(name: str, steps: int, spent: list[float], fdr: float) -> Entry:
    low, middle, high = (float(q) for q in np.quantile(spent, (0.25, 0.5, 0.75)))
    return Entry(name, steps, middle, low, high, fdr)


def needed(entries: Sequence[Entry], schedule: str) -> Entry:
    """The cheapest entry of a schedule whose FDr is within 5% of that schedule's best."""
    own = [entry for entry in entries if entry.schedule == schedule]
    enough = NEAR * min(entry.fdr for entry in own)
    return min((entry for entry in own if entry.fdr <= enough), key=lambda entry: entry.steps)


def default(entries: Sequence[Entry], schedule: str, steps: int) -> Entry:
    """The entry of a schedule in its default number of steps."""
    return next(e for e in entries if (e.schedule, e.steps) == (schedule, steps))


def as_good(entries: Sequence[Entry], fdr: float) -> Entry | None:
    """Ornstein's cheapest entry with no larger an FDr; None where none has."""
    enough = [entry for entry in entries if entry.schedule == OURS and entry.fdr <= fdr]
    return min(enough, key=lambda entry: entry.steps, default=None)


def table(entries: Sequence[Entry], own_steps: int) -> str:
    """All entries, then the ratios, in Markdown."""
    lines = ["| schedule | steps | s a picture (quartiles) | FDr |", "|---|---|---|---|"]
    lines += [
        f"| {e.schedule} | {e.steps} | {e.seconds:.4f} ({e.low:.4f} to {e.high:.4f}) | {e.fdr:.3f} |"
        for e in entries
    ]
    lines += [
        "",
        "| against | each at its defaults | as good as its defaults | each within 5% of its own best |",
    ]
    lines += ["|---|---|---|---|"]
    for name in dict.fromkeys(e.schedule for e in entries if e.schedule != OURS):
        theirs, mine = default(entries, name, DEFAULTS[name]), default(entries, OURS, own_steps)
        cells = [
            _ratio(theirs, mine),
            _ratio(theirs, as_good(entries, theirs.fdr)),
            _ratio(needed(entries, name), needed(entries, OURS)),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _ratio(theirs: Entry, mine: Entry | None) -> str:
    if mine is None:
        return f"never (FDr {theirs.fdr:.2f} in {theirs.steps} steps)"
    return (
        f"{theirs.seconds / mine.seconds:.1f} times ({theirs.steps} steps, FDr {theirs.fdr:.2f}; "
        f"{mine.steps} steps, FDr {mine.fdr:.2f})"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and write the figures."""
    model = Model.load(arguments.model)
    if not isinstance(model.recipe.condition, ClassesCondition):
        raise OrnsteinError(f"{arguments.model} is not class-conditional: name a model of classes")
    pack = Pack.open(arguments.pack or model.recipe.data.pack)
    (judge,) = judges(pack, arguments.count, arguments.out / "features", ["classifier"])
    own_steps = model.recipe.sampling.steps
    ladder = [(OURS, steps) for steps in sorted({*OWN_STEPS, own_steps})]
    ladder += [(name, steps) for name in arguments.schedulers for steps in STEPS[name]]
    entries = measure(model, judge, ladder)
    arguments.out.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {
        "model": str(arguments.model), "count": judge.count, "floor": judge.floor, "features": judge.name,
        "entries": [asdict(entry) for entry in entries],
    }  # fmt: skip
    (arguments.out / "results.json").write_text(json.dumps(facts, indent=1) + "\n")
    (arguments.out / "table.md").write_text(table(entries, own_steps))
    print(table(entries, own_steps))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="fashion", help="name or folder of a class-conditional bundle")
    parser.add_argument("--pack", type=Path, help="its data, if not where its recipe says")
    parser.add_argument("--count", type=int, default=2000, help="pictures of each schedule (2000)")
    parser.add_argument("--schedulers", nargs="+", choices=SCHEDULERS, default=list(SCHEDULERS))
    parser.add_argument("--out", type=Path, default=Path("runs/peers/quality"))
    arguments = parser.parse_args()
    try:
        run(arguments)
    except OrnsteinError as error:
        sys.exit(f"quality: {error}")


if __name__ == "__main__":
    main()
