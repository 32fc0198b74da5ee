"""How good is each sampler at so many evaluations? Every method on the same prompts and seeds.

    python benchmarks/samplers.py --model fashion [--count 1000] [--only NAME ...] [--evaluations 4 6 8 ...]
        [--schedulers ddim dpmpp-karras ...]

FDr: Fréchet distance to training pictures by that of unseen real ones, in the features of the network trained on the
model's own kind of pictures (scorer or classifier) and in any named with --features; everything but sampler and steps
as the model has it. A method of two evaluations a step takes half as many steps; "fitted" has only the numbers of
evaluations that the bundle has fits for. --schedulers lets diffusers' schedulers drive the same network, guided in the
same interval. Pictures are kept in --out and not drawn again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ornstein.data.atomic import new_file
from ornstein.errors import OrnsteinError, UsageError
from ornstein.evaluate.evaluation import LEARNED, Evaluator, Plan
from ornstein.evaluate.features import FeatureNetwork, find_network
from ornstein.evaluate.frechet import FrechetDistance, moments, require_enough
from ornstein.evaluate.samples import Settings
from ornstein.model import Model
from ornstein.request import BATCHES
from ornstein.sample.fitted import FITTED
from ornstein.sample.registry import METHODS, evaluations

EVALUATIONS = (4, 6, 8, 12, 20, 50)


@dataclass(frozen=True)
class Point:
    """A method at so many evaluations (guided ones count once): FDr by feature network."""

    sampler: str
    evaluations: int
    fdr: dict[str, float]


class Bench:
    """All methods on one model.

    Raises:
        UsageError: a model with no network of its own and none named, or fewer pictures than a network needs.
    """

    def __init__(self, model: Model, plan: Plan, cache: Path) -> None:
        self.evaluator, self.plan = Evaluator(model, cache), plan
        own = self.evaluator.own
        self.networks = [*([own] if own else []), *(find_network(name) for name in plan.networks)]
        if not self.networks:
            raise UsageError("this model has neither scorer nor classifier: name networks with --features")
        for network in self.networks:
            require_enough(plan.samples, network.width)
        self._distances = {network.name: self._distance(network) for network in self.networks}

    def _distance(self, network: FeatureNetwork) -> tuple[FrechetDistance, float]:
        """Distance to pictures trained on, and what it is for unseen ones."""
        real, plan = self.evaluator.real, self.plan
        learned = real.some_learned(max(LEARNED, plan.samples), plan.seed)
        distance = FrechetDistance(moments(self.evaluator.of_real(network, real.training, learned)))
        unseen = self.evaluator.of_real(network, real.held, self.evaluator.asked(plan)[0])
        return distance, distance(moments(unseen))

    def point(self, sampler: str, count: int) -> Point:
        """Draw with one of our methods, and measure."""
        _, prompts, seeds = self.evaluator.asked(self.plan)
        section, steps = self.evaluator.model.recipe.sampling, count // evaluations(sampler)
        name = section.method(sampler, steps, self.plan.settings.guidance)
        settings = replace(self.plan.settings, sampler=name, steps=steps)
        return self._measured(sampler, count, self.evaluator.draw(settings, prompts, seeds))

    def scheduled(self, name: str, count: int) -> Point:
        """Draw with one of diffusers' schedulers, in batches of the same size, and measure."""
        from peers.schedules import drawn, scheduler

        _, prompts, seeds = self.evaluator.asked(self.plan)
        model, size = self.evaluator.model, BATCHES["cpu"][0]
        parts = [
            drawn(
                model, scheduler(name, model), count, prompts[k : k + size], seeds[k : k + size],
                model.recipe.sampling.interval,
            )
            for k in range(0, len(prompts), size)
        ]  # fmt: skip
        return self._measured(f"diffusers: {name}", count, np.concatenate(parts))

    def _measured(self, sampler: str, count: int, pictures: np.ndarray) -> Point:
        return Point(sampler, count, self.fdr(pictures))

    def fdr(self, pictures: np.ndarray) -> dict[str, float]:
        """Of the plan's pictures, by feature network."""
        found: dict[str, float] = {}
        for network in self.networks:
            distance, real = self._distances[network.name]
            found[network.name] = distance(moments(self.evaluator.of_generated(network, pictures))) / real
        return found


def possible(model: Model, sampler: str, count: int) -> bool:
    """Whether whole steps of the method make so many evaluations, and there is a fit of so many."""
    if sampler == FITTED:
        return any(fit.evaluations == count for fit in model.recipe.sampling.fits)
    return count % evaluations(sampler) == 0


def table(points: Sequence[Point], network: str) -> str:
    """FDr in one network by method and evaluations, in Markdown; the best of each column is bold."""
    counts = sorted({point.evaluations for point in points})
    found = {(point.sampler, point.evaluations): point.fdr[network] for point in points}
    best = {n: min(value for (_, count), value in found.items() if count == n) for n in counts}
    lines = [["sampler", *(f"{n}" for n in counts)], ["---", *["--:"] * len(counts)]]
    for sampler in dict.fromkeys(point.sampler for point in points):
        cells = [_cell(found.get((sampler, n)), best[n]) for n in counts]
        lines.append([f"`{sampler}`", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(value: float | None, best: float) -> str:
    if value is None:
        return ""
    return f"**{value:.3g}**" if value == best else f"{value:.3g}"


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and write the figures."""
    model = Model.load(arguments.model)
    plan = Plan(arguments.count, Settings.of(model), 0, tuple(arguments.features))
    out = arguments.out / Path(arguments.model).name
    bench = Bench(model, plan, out)
    points: list[Point] = []
    own = arguments.only if arguments.only is not None else [*METHODS, FITTED]
    tasks = [(bench.point, name, count) for name in own for count in arguments.evaluations
             if possible(model, name, count)]  # fmt: skip
    tasks += [
        (bench.scheduled, name, count) for name in arguments.schedulers for count in arguments.evaluations
    ]
    for draw_and_measure, name, count in tasks:
        points.append(draw_and_measure(name, count))
        print(f"{points[-1].sampler}, {count} evaluations: {points[-1].fdr}", file=sys.stderr, flush=True)
    text = "\n".join(f"{network.name}\n\n{table(points, network.name)}" for network in bench.networks)
    facts = {"model": arguments.model, "count": plan.samples, "points": [asdict(point) for point in points]}
    for name, content in (("table.md", text), ("results.json", json.dumps(facts, indent=1) + "\n")):
        with new_file(out / name) as part:
            part.write_text(content)
    print(text)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="fashion", help="name or folder of a bundle")
    parser.add_argument("--count", type=int, default=1000, help="pictures of each point (1000)")
    parser.add_argument("--only", nargs="*", choices=[*METHODS, FITTED], help="these methods")
    parser.add_argument(
        "--schedulers", nargs="*", default=[], help="of diffusers, as peers/schedules.py names them"
    )
    parser.add_argument("--evaluations", nargs="+", type=int, default=list(EVALUATIONS))
    parser.add_argument("--features", nargs="*", default=[], help="further feature networks")
    parser.add_argument("--out", type=Path, default=Path("runs/samplers"))
    arguments = parser.parse_args()
    if min(arguments.count, *arguments.evaluations) < 1:
        parser.error("--count and --evaluations must be at least 1")
    try:
        run(arguments)
    except OrnsteinError as error:
        sys.exit(f"samplers: {error}")


if __name__ == "__main__":
    main()
