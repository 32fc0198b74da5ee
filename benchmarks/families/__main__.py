"""Which family of generative models makes the best of the same network, the same data and the same computation?

    python -m benchmarks.families --pack data/fashion-mnist --out runs/families
    python -m benchmarks.families --tune

A finished run is kept in --out and not repeated; one that was interrupted starts again. Run it on an idle machine: it
also measures time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ornstein.data.atomic import new_file
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError, UsageError
from ornstein.evaluate.classifier import reference_classifier
from ornstein.evaluate.features import find_network
from ornstein.recipes.recipe import Recipe

from . import figure, report
from .measure import Judge
from .networks import recipe_of
from .runs import EVALUATIONS, FAMILIES, Plan, run, samples_of

BUDGET = 4e13  # about three minutes of the diffusion model on two cores
SAMPLES = 2000
TUNED = 1 / 3  # of the budget is what a candidate gets


class Bench:
    """All runs of one command.

    Args:
        pack: what is learned. out: folder of the runs. budget: FLOPs of a run.
    """

    def __init__(self, pack: Pack, recipe: Recipe, judge: Judge, out: Path, budget: float) -> None:
        self.pack, self.recipe, self.judge, self.out, self.budget = pack, recipe, judge, out, budget

    def compare(self, seeds: int) -> tuple[dict[str, Any], str]:
        """Run every family with every seed; write and return results and table."""
        results = [
            self._run(Plan(kind, kind.chosen, seed, self.budget, EVALUATIONS), f"{kind.name}-{seed}")
            for seed in range(seeds)
            for kind in FAMILIES
        ]
        found = report.summary(results, self.judge(self.judge.unseen))
        text = report.table(found, results)
        pictures = {kind.name: samples_of(self.out / f"{kind.name}-0") for kind in FAMILIES}
        figure.draw(self.out / "families.png", self.judge.unseen, pictures, results, found)
        _write(self.out / "table.md", text)
        _write(self.out / "results.json", json.dumps({**found, "results": results}, indent=1) + "\n")
        return found, text

    def tune(self) -> str:
        """Run every candidate of every family with one seed and part of the budget; which is best, as text."""
        lines: list[str] = []
        for kind in FAMILIES:
            scores: list[tuple[float, str]] = []
            for number, settings in enumerate(kind.candidates):
                plan = Plan(kind, settings, 0, self.budget * TUNED)
                result = self._run(plan, f"tune-{kind.name}-{number}")
                reasons = f" diverged: {'; '.join(result['diverged'])}" if result["diverged"] else ""
                scores.append((result["fdr"], f"{kind.name:10} {settings}{reasons}"))
            lines += [f"{fdr:9.2f}  {what}" for fdr, what in sorted(scores)]
        return "FDr, best first\n" + "\n".join(lines)

    def _run(self, plan: Plan, name: str) -> dict[str, Any]:
        _tell(f"{name}: {plan.settings}")

        def progress(step: int, of: int) -> None:
            if step * 10 // of != (step - 1) * 10 // of:
                _tell(f"{name}: {step:,} of {of:,} steps")

        result = run(plan, self.out / name, self.pack, self.recipe, self.judge, progress)
        _tell(f"{name}: FDr {result['fdr']:.2f} after {result['seconds']:.0f} s of training")
        return result


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _write(path: Path, text: str) -> None:
    with new_file(path) as part:
        part.write_text(text)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="families", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pack", type=Path, default=Path("data/fashion-mnist"))
    parser.add_argument("--out", type=Path, default=Path("runs/families"), help="folder of the runs")
    parser.add_argument(
        "--budget", type=float, default=BUDGET, help=f"training FLOPs of a run ({BUDGET:.0e})"
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs of each family (3)")
    parser.add_argument("--tune", action="store_true", help="try settings instead, at a third of the budget")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    return parser.parse_args(words)


def _bench(arguments: argparse.Namespace) -> Bench:
    if not arguments.budget > 0 or arguments.seeds < 1:
        raise UsageError("--budget and --seeds must be positive")
    pack = Pack.open(arguments.pack)
    pack.decode()
    recipe = recipe_of(pack)
    classifier = reference_classifier(pack)
    networks = [find_network("effnet-lite0"), classifier]
    return Bench(
        pack, recipe, Judge(pack, networks, classifier, SAMPLES, _tell), arguments.out, arguments.budget
    )


def main(words: Sequence[str] | None = None) -> None:
    arguments = _arguments(words)
    try:
        bench = _bench(arguments)
        if arguments.tune:
            print(bench.tune())
            return
        found, text = bench.compare(arguments.seeds)
        if arguments.json:
            _write(arguments.json, json.dumps(found, indent=1) + "\n")
        print(text)
    except (OrnsteinError, OSError) as error:
        sys.exit(f"families: {error}")
    except KeyboardInterrupt:
        sys.exit("families: stopped; finished runs are kept")


if __name__ == "__main__":
    main()
