"""U-Net or transformer? Both trained by the recipe `fashion` with the same number of operations, then measured.

    python -m benchmarks.networks --pack data/fashion-mnist --out runs/networks [--budget 1.1e14] [--seeds 1]

Only `network` and the number of samples differ: each sees as many pictures as the budget pays, in whole batches. An
operation is one that torch counts in products and convolutions, forward and backward; the two have about the same
number of weights. A finished run is kept in --out and not repeated, an interrupted one goes on. Seconds a picture are
of this machine as it is: measure on an idle one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.families.measure import Judge
from benchmarks.families.networks import count_weights
from benchmarks.families.report import spread
from PIL import Image

from ornstein.bundle import Bundle
from ornstein.cli.train import finish
from ornstein.condition.classes import ClassEncoder
from ornstein.config import override
from ornstein.data.atomic import new_file
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError, UsageError
from ornstein.evaluate.classifier import reference_classifier
from ornstein.evaluate.cost import cost
from ornstein.evaluate.features import find_network
from ornstein.evaluate.samples import Settings, samples
from ornstein.model import Model
from ornstein.net.backbone import training_flops
from ornstein.output import grid
from ornstein.recipes.fashion import fashion
from ornstein.recipes.recipe import Recipe
from ornstein.train.loop import Trainer
from ornstein.train.pictures import PictureTask, resolve

NETWORKS: dict[str, tuple[str, ...]] = {"U-Net": ("network.kind=unet",), "transformer": ()}
BUDGET = 1.1e14  # about ten minutes of either on one core
PICTURES, TIMED = 2000, 64
COLUMNS, ROWS = 10, 4  # of each network's pictures on the sheet: a class a column
FIGURES = {
    "fdr": "FDr ↓", "EfficientNet-lite0": "FDr, EfficientNet-lite0 ↓", "Classifier": "FDr, classifier ↓",
    "precision": "precision ↑", "recall": "recall ↑", "seconds a picture": "s a picture ↓",
    "weights": "weights", "samples": "pictures seen", "seconds": "s of training",
}  # fmt: skip


def recipe_of(name: str, pack: Pack, budget: float, seed: int) -> Recipe:
    """The recipe `fashion` with this network, on this pack, as long as the budget pays."""
    base = override(fashion(), [f"data.pack={pack.folder}", f"training.seed={seed}", *NETWORKS[name]])
    stages = tuple(stage.model_copy(update={"size": pack.size}) for stage in base.training.stages)
    batch = stages[0].batch
    each = training_flops(base.network, base.codec.shape(pack.size), 1)
    training = base.training.model_copy(
        update={"stages": stages, "samples": max(1, round(budget / each / batch)) * batch}
    )
    sampling = base.sampling.model_copy(update={"size": pack.size})
    return resolve(base.model_copy(update={"training": training, "sampling": sampling}), pack)


def trained(recipe: Recipe, pack: Pack, run: Path) -> Model:
    """The model of a run, trained where it is not finished.

    Raises:
        OrnsteinError: the folder holds the run of another recipe.
    """
    bundle = run / "bundle"
    if not bundle.is_dir():
        run.mkdir(parents=True, exist_ok=True)
        torch.compiler.reset()  # or the limit of compilations that one process may hold is reached
        finish(Trainer(PictureTask(recipe, pack, run / "cache"), run), run)
    if Bundle.open(bundle).facts.recipe != recipe:
        raise OrnsteinError(f"{bundle} was made by another recipe: delete it, or choose another --out")
    return Model.load(bundle)


def measured(model: Model, seed: int, judge: Judge, run: Path) -> dict[str, Any]:
    """Figures of a model, kept beside its pictures."""
    file, settings = run / "figures.json", Settings.of(model)
    if file.is_file():
        return json.loads(file.read_text())
    prompts, seeds = asked(model, judge.count, seed)
    pictures = samples(model, prompts, seeds, settings, run / "pictures")
    found, facts = judge(pictures), model.bundle.facts if model.bundle else None
    assert facts is not None
    figures = {
        **found, **{name: each["fdr"] for name, each in found["networks"].items()},
        "seconds a picture": cost(model, prompts[:TIMED], settings).seconds / 1000,
        "weights": count_weights(model.network),
        "samples": facts.training["seen"], "seconds": facts.training["seconds"],
    }  # fmt: skip
    _write(file, json.dumps(figures, indent=1) + "\n")
    return figures


def asked(model: Model, count: int, seed: int) -> tuple[list[str], list[int]]:
    """The classes in turn, and seeds that no other run of the benchmark draws from."""
    assert isinstance(model.encoder, ClassEncoder)
    names = model.encoder.names
    return [names[k % len(names)] for k in range(count)], list(range(seed * count, (seed + 1) * count))


def table(results: dict[str, list[dict[str, Any]]], unseen: dict[str, Any]) -> str:
    """Means over seeds, with lowest and highest where they differ, in Markdown."""
    lines = [["", *FIGURES.values()], ["---", *["--:"] * len(FIGURES)]]
    for name, runs in results.items():
        lines.append([name, *(_cell(spread(run[key] for run in runs)) for key in FIGURES)])
    lines.append(["unseen real", *(_number(unseen[key]) if key in unseen else "" for key in FIGURES)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(held: dict[str, float]) -> str:
    low, mean, high = (_number(held[key]) for key in ("low", "mean", "high"))
    return mean if low == high else f"{mean} ({low} to {high})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def sheet(pictures: Sequence[np.ndarray]) -> Image.Image:
    """The first pictures of every set, set below set, twice as large."""
    parts = [grid(list(some[: COLUMNS * ROWS]), COLUMNS, gap=1) for some in pictures]
    whole = grid(parts, 1, gap=8)[..., 0]
    return Image.fromarray(whole).resize((2 * whole.shape[1], 2 * whole.shape[0]), Image.Resampling.NEAREST)


def _write(path: Path, text: str) -> None:
    with new_file(path) as part:
        part.write_text(text)


def run(arguments: argparse.Namespace) -> None:
    """Train, measure, print, and write table, figures and sheet."""
    if not arguments.budget > 0 or arguments.seeds < 1:
        raise UsageError("--budget and --seeds must be positive")
    pack, out = Pack.open(arguments.pack), arguments.out
    pack.decode()
    classifier = reference_classifier(pack)
    judge = Judge(pack, [find_network("effnet-lite0"), classifier], classifier, arguments.count)
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in arguments.only or NETWORKS}
    shown = [judge.unseen]
    for seed in range(arguments.seeds):
        for name, found in results.items():
            folder = out / f"{name.lower()}-{seed}"
            model = trained(recipe_of(name, pack, arguments.budget, seed), pack, folder)
            found.append(measured(model, seed, judge, folder))
            print(f"{name}, seed {seed}: FDr {found[-1]['fdr']:.3g}", file=sys.stderr, flush=True)
            if seed == 0:
                prompts, seeds = asked(model, COLUMNS * ROWS, seed)
                shown.append(samples(model, prompts, seeds, Settings.of(model), folder / "pictures"))
    unseen = judge(judge.unseen)
    unseen |= {name: each["fdr"] for name, each in unseen["networks"].items()}
    text = table(results, unseen)
    _write(out / "table.md", text)
    facts = {"budget": arguments.budget, "count": judge.count, "results": results, "unseen real": unseen}
    _write(out / "results.json", json.dumps(facts, indent=1) + "\n")
    with new_file(out / "sheet.png") as part:
        sheet(shown).save(part, "PNG")
    print(text)


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="networks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pack", type=Path, default=Path("data/fashion-mnist"))
    parser.add_argument("--out", type=Path, default=Path("runs/networks"))
    parser.add_argument("--budget", type=float, default=BUDGET, help="training operations of a run (1.1e14)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each network (1)")
    parser.add_argument("--count", type=int, default=PICTURES, help=f"pictures of a run ({PICTURES})")
    parser.add_argument("--only", nargs="+", choices=list(NETWORKS), help="these networks")
    try:
        run(parser.parse_args(words))
    except OrnsteinError as error:
        sys.exit(f"networks: {error}")


if __name__ == "__main__":
    main()
