"""Which choices of the flagship's recipe matter? One change at a time, each on the same number of operations.

    python benchmarks/ablations.py --pack data/emoji --captions runs/emoji/cache --out runs/ablations

Every variation is trained from fresh weights at 32 px until it has cost as many operations (6 x weights x tokens x
samples) as the base, and is measured like any bundle: the same unseen prompts and seeds, distances in two feature
networks, alignment, copying. What differs only in how the base's weights are averaged or sampled needs no training of
its own. Differences whose 95% interval does not hold 0 are marked; "another seed" says how much chance alone does.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ornstein.bundle import Bundle
from ornstein.cli.evaluate import progress
from ornstein.cli.train import finish
from ornstein.config import override
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.evaluate.compare import compare
from ornstein.evaluate.estimate import Estimate
from ornstein.evaluate.evaluation import Evaluation, Evaluator, Plan
from ornstein.evaluate.samples import Settings
from ornstein.model import Model
from ornstein.recipes.emoji import emoji
from ornstein.recipes.recipe import Recipe
from ornstein.train.loop import Trainer
from ornstein.train.pictures import PictureTask, flops_per_sample, resolve

BASE = (
    'training.stages=[{"size":32,"batch":256}]', "training.ema=[5000,20000]", "training.prompts=[]",
    "optimiser.warmup=5000", "objective.times.mean=0.6", "sampling.size=32", "sampling.guidance=3",
    "sampling.steps=20", "sampling.grid.kind=shifted",
)  # fmt: skip


@dataclass(frozen=True)
class Variation:
    """One change: settings of the recipe, whether weights are averaged, and the variation whose weights it uses."""

    name: str
    settings: tuple[str, ...] = ()
    averaged: bool = True
    weights_of: str | None = None


VARIATIONS = (
    Variation("base"),
    Variation("another seed", ("training.seed=1",)),
    Variation("AdamW instead of Muon", ("optimiser.muon=0",)),
    Variation("times: mean 0.0", ("objective.times.mean=0.0",)),
    Variation("augmented: moves up to 5%", ("data.augment=0.05",)),
    Variation("captions: plain form only", ("data.captions=[1.0]",)),
    Variation("times: mean 1.2", ("objective.times.mean=1.2",)),
    Variation("patch 4, fewer samples", ("network.patch=4",)),
    Variation("weights not averaged", averaged=False, weights_of="base"),
    Variation("guidance at all times", ("sampling.interval=[0,1]",), weights_of="base"),
    Variation("guidance in the middle only", ("sampling.interval=[0.3,0.8]",), weights_of="base"),
)


def recipe_of(variation: Variation, pack: Path, samples: int) -> Recipe:
    """The variation's recipe, as long as the base of `samples` is in operations, in whole batches."""
    base = override(emoji(), [*BASE, f"data.pack={pack}"])
    changed = override(base, variation.settings)
    ratio, batch = _cost(base) / _cost(changed), changed.training.stages[0].batch
    return override(changed, [f"training.samples={round(samples * ratio / batch) * batch}"])


def _cost(recipe: Recipe) -> float:
    return flops_per_sample(Model.from_recipe(recipe), recipe.sampling.size)


def bundle_of(variation: Variation, recipe: Recipe, pack: Pack, out: Path, captions: Path | None) -> Path:
    """Train what is to be trained, or take it from the variation it belongs to; returns the bundle's folder."""
    run = out / slug(variation.weights_of or variation.name)
    name = slug(variation.name)
    bundle = run / ("bundle" if variation.weights_of is None else f"bundle-{name}")
    if bundle.is_dir():
        made = Bundle.open(bundle).facts.recipe
        for part in ("data", "network", "process", "objective", "optimiser", "training", "sampling"):
            if getattr(made, part) != getattr(recipe, part):
                raise OrnsteinError(
                    f"{bundle} was made with another {part}: delete it, or choose another --out"
                )
        return bundle
    resolved = resolve(recipe, pack)
    run.mkdir(parents=True, exist_ok=True)
    if captions is not None and not (run / "cache").exists():
        (run / "cache").symlink_to(captions.resolve())
    if variation.weights_of is None:
        torch.compiler.reset()  # or the limit of compilations that one process may hold is reached
        finish(Trainer(PictureTask(resolved, pack, run / "cache"), run), run)
        return bundle
    trained = Model.load(run / "bundle")
    task = PictureTask(trained.recipe, pack, run / "cache")
    weights = trained.network if variation.averaged else Trainer(task, run).model.network
    model = Model(
        trained.recipe.model_copy(update={"sampling": recipe.sampling}),
        weights,
        trained.encoder,
        trained.bundle,
    )
    return model.save(bundle)


def measure(variation: Variation, bundle: Path, out: Path, samples: int) -> Evaluation:
    """Measure a bundle on unseen prompts; samples and features are kept."""
    model = Model.load(bundle)
    with progress() as tell:
        evaluator = Evaluator(model, out / "measured" / slug(variation.name), tell=tell)
        return evaluator.run(Plan(samples, Settings.of(model)))


def table(names: Sequence[str], found: Sequence[Evaluation], trained: Sequence[tuple[int, float]]) -> str:
    """The figures of all variations beside the base's, as Markdown; ▲ better, ▼ worse beyond chance."""
    wanted = ("fdr", "recall", "alignment", "prompt-r5")
    rows = [row for row in compare(found) if row.figure.key in wanted]
    head = [
        f"{row.figure.key} ({row.figure.features})" if row.figure.features else row.figure.key for row in rows
    ]
    lines = [
        "| variation | samples | minutes | " + " | ".join(head) + " | flagged |",
        "|---" * (len(head) + 4) + "|",
    ]
    for k, (name, (samples, seconds)) in enumerate(zip(names, trained, strict=True)):
        cells = [_cell(row.values[k], row.verdicts[k - 1] if k else "") for row in rows]
        flagged = next(iter(found[k].copying.values())).flagged.value
        lines.append(f"| {name} | {samples:,} | {seconds / 60:.1f} | {' | '.join(cells)} | {flagged:.1%} |")
    return "\n".join(lines)


def _cell(value: Estimate, verdict: str) -> str:
    return f"{value.value:.2f} ± {(value.high - value.low) / 2:.2f}{ {'better': ' ▲', 'worse': ' ▼'}.get(verdict, '') }"


def slug(name: str) -> str:
    """A name as a folder."""
    return "-".join("".join(c if c.isalnum() or c == "." else " " for c in name).split())


def main() -> None:
    """Train, measure and print; what an earlier run finished is not done again."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pack", type=Path, default=Path("data/emoji"))
    parser.add_argument("--captions", type=Path, help="folder of encoded captions, such as runs/emoji/cache")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--samples", type=int, default=50_000, help="of the base (50,000)")
    parser.add_argument("--measured", type=int, default=1500, help="pictures measured (1,500)")
    parser.add_argument("--only", nargs="*", help="names of variations (all)")
    arguments = parser.parse_args()
    chosen = [v for v in VARIATIONS if not arguments.only or v.name in ("base", *arguments.only)]
    try:
        pack = Pack.open(arguments.pack)
        pack.decode()
        found: list[Evaluation] = []
        trained: list[tuple[int, float]] = []
        for variation in chosen:
            print(variation.name, file=sys.stderr)
            recipe = recipe_of(variation, arguments.pack, arguments.samples)
            bundle = bundle_of(variation, recipe, pack, arguments.out, arguments.captions)
            found.append(measure(variation, bundle, arguments.out, arguments.measured))
            facts = json.loads((bundle / "model.json").read_text())["training"]
            trained.append((facts["seen"], facts["seconds"]))
            results = {v.name: {**asdict(v), **e.metrics()} for v, e in zip(chosen, found, strict=False)}
            (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    except OrnsteinError as error:
        sys.exit(f"ablations: {error}")
    text = table([v.name for v in chosen], found, trained)
    (arguments.out / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
