"""What does it cost and save to run the deep blocks at every so many evaluations only?

    python benchmarks/reuse.py [--model emoji] [--count 600] [--steps 20 50] [--every 2]

The same prompts and seeds with and without, in turns of 64 pictures: the ratio of times (quartiles over the turns), the
root mean square by which bytes differ from those without, and FDr in the features of the model's own scorer or
classifier, as in samplers.py. Below, as many plain steps as take the time of each reuse: what it has to beat. Pictures
are not kept, for it is their making that is timed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from samplers import Bench

from ornstein.data.atomic import new_file
from ornstein.errors import OrnsteinError
from ornstein.evaluate.evaluation import Plan
from ornstein.evaluate.samples import Settings
from ornstein.model import Model

PORTION = 64


@dataclass(frozen=True)
class Way:
    """How pictures are made: steps, and how seldom the deep blocks run."""

    steps: int
    reuse: int = 1


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        way: that is measured.
        ratio: seconds of the plain way by this one's, median over the turns, with quartiles low and high.
        bytes: root mean square difference to the plain way's pictures.
        fdr: by feature network.
    """

    way: Way
    ratio: float
    low: float
    high: float
    bytes: float
    fdr: dict[str, float]


class Comparison:
    """Ways to make the same pictures.

    Args:
        model: loaded from a bundle.
        bench: measures FDr.
        plan: how many pictures, of which prompts.
    """

    def __init__(self, model: Model, bench: Bench, plan: Plan) -> None:
        self.model, self.bench = model, bench
        _, self._prompts, self._seeds = bench.evaluator.asked(plan)

    def lines(self, steps: int, every: Sequence[int]) -> list[Line]:
        """The plain way, each reuse in turns with it, and for each the plain steps that its time would buy."""
        plain = Way(steps)
        found = self._made([plain, *(Way(steps, number) for number in every)])
        pictures, seconds = found[plain]
        lines = [self._line(way, *made, pictures, seconds) for way, made in found.items()]
        fewer = [Way(max(1, round(steps / line.ratio))) for line in lines[1:]]
        return lines + [self._line(way, *self._made([way])[way], pictures, seconds) for way in fewer]

    def _made(self, ways: Sequence[Way]) -> dict[Way, tuple[np.ndarray, list[float]]]:
        """Pictures of each way, and the seconds of each turn."""
        found: dict[Way, tuple[list[np.ndarray], list[float]]] = {way: ([], []) for way in ways}
        for start in range(0, len(self._prompts), PORTION):
            part = slice(start, start + PORTION)
            for way, (pictures, seconds) in found.items():
                started = time.perf_counter()
                outputs = self.model.generate(
                    self._prompts[part], self._seeds[part], steps=way.steps, reuse=way.reuse
                )
                seconds.append(time.perf_counter() - started)
                pictures += [output.array for output in outputs]
        return {way: (np.stack(pictures), seconds) for way, (pictures, seconds) in found.items()}

    def _line(
        self, way: Way, pictures: np.ndarray, seconds: list[float], plain: np.ndarray, plainly: list[float]
    ) -> Line:
        low, ratio, high = (float(q) for q in np.quantile(np.array(plainly) / seconds, (0.25, 0.5, 0.75)))
        apart = float(np.sqrt(np.square(pictures.astype(float) - plain).mean()))
        line = Line(way, ratio, low, high, apart, self.bench.fdr(pictures))
        print(line, file=sys.stderr, flush=True)
        return line


def table(lines: Sequence[Line]) -> str:
    """The lines in Markdown."""
    networks = list(lines[0].fdr)
    head = ["steps", "deep blocks at every", "ratio of times (quartiles)", "bytes apart"]
    head += [f"FDr {name}" for name in networks]
    rows = [
        [f"{line.way.steps}", f"{line.way.reuse}", f"{line.ratio:.2f} ({line.low:.2f} to {line.high:.2f})",
         f"{line.bytes:.1f}", *(f"{line.fdr[name]:.3g}" for name in networks)]
        for line in lines
    ]  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["--:"] * len(head), *rows)) + "\n"


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="emoji", help="name or folder of a bundle with a transformer")
    parser.add_argument("--count", type=int, default=600, help="pictures of each line (600)")
    parser.add_argument("--steps", nargs="+", type=int, default=[20, 50])
    parser.add_argument("--every", nargs="+", type=int, default=[2], help="2 or 3")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/reuse"), help="features of real pictures, results.json"
    )
    arguments = parser.parse_args()
    if min(arguments.count, *arguments.steps) < 1:
        parser.error("--count and --steps must be at least 1")
    try:
        model = Model.load(arguments.model)
        plan = Plan(arguments.count, Settings.of(model), 0, ())
        comparison = Comparison(model, Bench(model, plan, arguments.out), plan)
        found = [line for steps in arguments.steps for line in comparison.lines(steps, arguments.every)]
    except OrnsteinError as error:
        sys.exit(f"reuse: {error}")
    facts = {"model": arguments.model, "count": arguments.count, "lines": [asdict(line) for line in found]}
    with new_file(arguments.out / "results.json") as part:
        part.write_text(json.dumps(facts, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
