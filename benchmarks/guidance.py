"""Does composing prompts help, and which rule and schedule of guidance?

    python benchmarks/guidance.py composed [--model emoji] [--tries 16]
    python benchmarks/guidance.py rules [--model emoji] [--count 600] [--scales 3 6]

``composed``: the prompts of ``ornstein evaluate`` that combine things, as they stand and composed in several ways;
share of pictures that hold all they should, with Wilson's intervals. ``rules``: FDr and alignment in the features of
the model's own network (scorer or classifier) by rule, schedule and scale, on the same prompts and seeds; everything
else as the model has it. Pictures are kept in --out and not drawn again; a sheet of each setting lies there, too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ornstein.data.atomic import new_file
from ornstein.errors import OrnsteinError, UsageError
from ornstein.evaluate import colours, composition
from ornstein.evaluate.evaluation import LEARNED, Evaluator, Plan
from ornstein.evaluate.frechet import FrechetDistance, moments, require_enough
from ornstein.evaluate.samples import Settings
from ornstein.model import Model
from ornstein.output import grid, to_image

RULES = ("straight", "rescaled", "projected", "zero-star")
SCHEDULES = ("linear", "cosine", "power-cosine")
SHOWN = 48  # pictures on a sheet


@dataclass(frozen=True)
class Guidance(Settings):
    """How pictures are made, guidance in particular."""

    rule: str = "straight"
    schedule: str = "constant"
    compose: bool = False

    @classmethod
    def like(cls, model: Model, **changes: Any) -> Guidance:
        """The model's defaults, changed."""
        return cls(**{**asdict(Settings.of(model)), **changes})


KINDS = {
    kind: prompts for kind, prompts in composition.KINDS.items() if kind != "a number"
}  # that has no parts


def two(prompt: str) -> list[str]:
    """The things of a prompt: what "and" joins, or a thing and the same in its colour."""
    return prompt.split(" and ") if " and " in prompt else [prompt.partition(" ")[2], prompt]


def weighed(prompt: str, weight: float) -> str:
    """Colour words count more."""
    words = [f"({word}:{weight:g})" if word in colours.BASIC else word for word in prompt.split()]
    return " ".join(words)


def joined(prompt: str, pattern: str) -> str:
    """Both things of a prompt put into a pattern."""
    return pattern.format(*two(prompt), whole=prompt)


WAYS: dict[str, Callable[[str], str]] = {
    "as it stands": lambda prompt: prompt,
    "a AND b": lambda prompt: joined(prompt, "{0} AND {1}"),
    "whole AND a:0.5 AND b:0.5": lambda prompt: joined(prompt, "{whole} AND {0}:0.5 AND {1}:0.5"),
    "[a|b]": lambda prompt: joined(prompt, "[{0}|{1}]"),
    "(colour:1.5)": lambda prompt: weighed(prompt, 1.5),
}


def composed(model: Model, evaluator: Evaluator, tries: int, out: Path) -> dict[str, Any]:
    """Success of the compositional prompts by way and kind."""
    plain, found = Guidance.like(model), {}
    for way, recast in WAYS.items():

        def draw(
            texts: Sequence[str],
            seeds: Sequence[int],
            recast: Callable[[str], str] = recast,
            way: str = way,
        ) -> np.ndarray:
            asked = [recast(text) for text in texts]
            settings = plain if asked == list(texts) else Guidance.like(model, compose=True)
            pictures = evaluator.draw(settings, asked, seeds)
            sheet(pictures[:: max(1, len(pictures) // SHOWN)], out / f"{slug(way)}-{slug(texts[0])}.png")
            return pictures

        names = evaluator.real.training.concept_names
        found[way] = composition.composition(draw, evaluator.scorer, names, tries, KINDS)
        print(f"{way}: { {kind: str(e) for kind, e in found[way].items()} }", file=sys.stderr, flush=True)
    return {way: {kind: asdict(e) for kind, e in kinds.items()} for way, kinds in found.items()}


def rules(
    model: Model, evaluator: Evaluator, count: int, scales: Sequence[float], out: Path
) -> dict[str, Any]:
    """FDr and alignment by rule or schedule, and scale."""
    network = evaluator.own
    if network is None:
        raise UsageError("this model has neither scorer nor classifier to look with")
    require_enough(count, network.width)
    real, plan = evaluator.real, Plan(count, Guidance.like(model), 0, ())
    rows, prompts, seeds = evaluator.asked(plan)
    learned = evaluator.of_real(network, real.training, real.some_learned(max(LEARNED, count), 0))
    distance = FrechetDistance(moments(learned))
    unseen = distance(moments(evaluator.of_real(network, real.held, rows)))
    settings = [{"rule": rule} for rule in RULES] + [{"schedule": schedule} for schedule in SCHEDULES]
    found: dict[str, Any] = {}
    for scale in scales:
        for change in settings:
            name = f"{next(iter(change.values()))} at {scale:g}"
            made = Guidance.like(model, guidance=scale, **change)
            pictures = evaluator.draw(made, prompts, seeds)
            sheet(pictures[:SHOWN], out / f"{slug(name)}.png")
            aligned = evaluator.aligned(pictures, prompts)
            found[name] = {
                "fdr": distance(moments(evaluator.of_generated(network, pictures))) / unseen,
                "alignment": aligned and asdict(aligned),
            }
            print(f"{name}: FDr {found[name]['fdr']:.3f}, alignment {aligned}", file=sys.stderr, flush=True)
    return found


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Figures in Markdown: a line for each setting."""
    heads = list(next(iter(found.values())))
    lines = [["", *heads], ["---", *["---"] * len(heads)]]
    lines += [[name, *(cell(figures[head]) for head in heads)] for name, figures in found.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def cell(value: Any) -> str:
    """A number, or an estimate with its interval."""
    if isinstance(value, Mapping):
        return f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})"
    return "" if value is None else f"{value:.3g}"


def sheet(pictures: np.ndarray, file: Path) -> None:
    """Write pictures on one sheet, on white."""
    file.parent.mkdir(parents=True, exist_ok=True)
    to_image(grid(list(pictures)), "#ffffff").save(file)


def slug(text: str) -> str:
    """A file's name."""
    return "".join(character if character.isalnum() else "-" for character in text).strip("-")


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and write the figures."""
    model, out = Model.load(arguments.model), arguments.out / Path(arguments.model).name
    evaluator = Evaluator(model, out)
    if arguments.what == "composed":
        found = composed(model, evaluator, arguments.tries, out / "sheets")
    else:
        found = rules(model, evaluator, arguments.count, arguments.scales, out / "sheets")
    facts = {**vars(arguments), "out": str(arguments.out), "found": found}
    for name, content in (
        (f"{arguments.what}.md", table(found)),
        (f"{arguments.what}.json", json.dumps(facts, indent=1)),
    ):
        with new_file(out / name) as part:
            part.write_text(content)
    print(table(found))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("composed", "rules"))
    parser.add_argument("--model", default="emoji", help="name or folder of a bundle")
    parser.add_argument("--tries", type=int, default=16, help="pictures of each compositional prompt (16)")
    parser.add_argument("--count", type=int, default=600, help="pictures of each rule or schedule (600)")
    parser.add_argument("--scales", nargs="+", type=float, default=[3.0, 6.0])
    parser.add_argument("--out", type=Path, default=Path("runs/guidance"))
    arguments = parser.parse_args()
    if min(arguments.tries, arguments.count) < 1:
        parser.error("--tries and --count must be at least 1")
    try:
        run(arguments)
    except OrnsteinError as error:
        sys.exit(f"guidance: {error}")


if __name__ == "__main__":
    main()
