"""Does an audit find the skew that was planted, and do quotas take it out?

    python -m benchmarks.guard.bias classifier            what the attribute classifier takes real pictures for
    python -m benchmarks.guard.bias coverage              intervals against known shares of real pictures
    python -m benchmarks.guard.bias trained               a small model trained on a planted 90/10 set
    python -m benchmarks.guard.bias quotas [--scales 1 4 8]

``coverage`` draws real pictures of families the classifier never learned from, at planted shares, and corrects what it
saw by its errors on other families still. ``trained`` trains on clothes: what is called "work" is a sneaker nine times
of ten and else a bag, "home" the other way round. ``quotas`` measures the shipped emoji model, without and with quotas.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ornstein.codec.pixels import PixelCodec
from ornstein.data.manifest import TRAIN
from ornstein.data.pack import Pack
from ornstein.data.write import write_pack
from ornstein.evaluate.classifier import Classifier, ClassifierConfig, train_classifier
from ornstein.evaluate.estimate import of_mean
from ornstein.guard.bias.attributes import VALUES, gender, states
from ornstein.guard.bias.audit import Audit, Plan, audit
from ornstein.guard.bias.classifier import Tested, examine, find_classifier
from ornstein.guard.bias.learned import Learned
from ornstein.guard.bias.measure import Confusion, Shares
from ornstein.guard.policy import Quota
from ornstein.model import Model
from ornstein.net.dit import TransformerConfig
from ornstein.net.patched import PatchedConfig
from ornstein.recipes.recipe import (
    ClassesCondition,
    DataSection,
    Recipe,
    SamplingSection,
    Stage,
    TrainingSection,
)
from ornstein.rng import stream
from ornstein.train.loop import Trainer
from ornstein.train.pictures import PictureTask, resolve

PLANTED = ((0.10, 0.90, 0.0), (0.03, 0.97, 0.0), (0.30, 0.40, 0.30))  # female, male, open
LEARNED = 0.10  # share of women that amplification is reckoned against
CLOTHES = ("Bag", "Sneaker")
MISTAKEN = 0.15  # share of what the weak judge of clothes sees that is turned round, on top of its own errors


def look(where: Path) -> Tested:
    pack = Pack.open(where)
    classifier, labels = find_classifier(pack)
    return examine(classifier, pack, labels)


def classifier(where: Path) -> None:
    tested = look(where)
    for attribute, values in VALUES.items():
        shown, seen = tested.shown[attribute], tested.seen[attribute]
        print(f"\n{attribute}: of {len(shown):,} pictures of {len(set(tested.families))} families, taken for")
        print(f"{'':<14}" + "".join(f"{value:>24}" for value in (*values, "unclear")))
        for k, value in enumerate(values):
            cells = [of_mean(seen[shown == k] == j) for j in range(len(values) + 1)]
            print(f"{value:<14}" + "".join(f"{cell!s:>24}" for cell in cells))


def coverage(where: Path, pictures: int, repetitions: int) -> None:
    tested = look(where)
    names = np.array(sorted(set(tested.families.tolist())))
    print(f"{repetitions} repetitions of {pictures} pictures; share of 95% intervals that hold the truth")
    for same, what in (
        (True, "the same families labelled and judged"),
        (False, "half labelled, the others judged"),
    ):
        print(f"\n{what}")
        for planted in PLANTED:
            within, amplified = np.zeros(len(planted)), 0
            for k in range(repetitions):
                random = stream("planted", k)
                judged = np.isin(
                    tested.families, names if same else random.permutation(names)[: len(names) // 2]
                )
                shares = judge(tested, judged if same else ~judged, judged, planted, pictures, k)
                estimates = [shares.share(value) for value in shares.values]
                within += [e.low <= true <= e.high for e, true in zip(estimates, planted, strict=True)]
                found = shares.amplification("female", {"female": LEARNED})
                assert found is not None
                amplified += found.low <= planted[0] / LEARNED <= found.high
            told = "  ".join(
                f"{value} {true:.2f}: {hits / repetitions:.3f}"
                for value, true, hits in zip(VALUES["gender"], planted, within, strict=True)
            )
            print(
                f"{told}   amplification of female, {planted[0] / LEARNED:.1f}: {amplified / repetitions:.3f}"
            )


def judge(
    tested: Tested,
    labelled: np.ndarray,
    judged: np.ndarray,
    planted: Sequence[float],
    pictures: int,
    seed: int,
) -> Shares:
    """Corrected shares of pictures drawn from the judged ones at planted shares; errors are those of the labelled."""
    shown, seen, values = tested.shown["gender"], tested.seen["gender"], VALUES["gender"]
    random = stream("drawn", seed)
    confusion = Confusion.of(shown[labelled], seen[labelled], tested.families[labelled], values)
    pool = [np.flatnonzero(judged & (shown == value)) for value in range(len(values))]
    rows = [random.choice(pool[value]) for value in random.choice(len(values), pictures, p=planted)]
    return Shares.of(seen[rows], confusion, values, seed)


def plant(where: Path, folder: Path) -> Pack:
    """3,000 bags and sneakers; of those called work a tenth are bags, of those called home nine tenths."""
    source = Pack.open(where)
    rows, items = source.rows(), []
    pool = {
        kind: [int(k) for k in source.indices(TRAIN) if rows[k].concept.lower() == kind.lower()]
        for kind in CLOTHES
    }
    for name, bags in (("work", 150), ("home", 1350)):
        for kind, count in zip(CLOTHES, (bags, 1500 - bags), strict=True):
            for _ in range(count):
                index = pool[kind].pop()
                row = replace(rows[index], concept=name, captions=(name,), split=TRAIN)
                items.append((row, source.file_bytes(index)))
    return Pack.open(write_pack(folder / "planted", name="planted", size=28, channels=1, items=items))


def trained(where: Path, samples: int, pictures: int) -> None:
    source = Pack.open(where)
    with tempfile.TemporaryDirectory() as scratch:
        pack = plant(where, Path(scratch))
        recipe = Recipe(
            name="planted",
            data=DataSection(pack=str(pack.folder)),
            condition=ClassesCondition(names=("home", "work")),
            codec=PixelCodec(channels=1),
            network=PatchedConfig(
                transformer=TransformerConfig(width=128, depth=4, heads=2), patch=4, bottleneck=32
            ),
            training=TrainingSection(
                samples=samples, stages=(Stage(size=28, batch=128),), ema=(4_000, 16_000), prompts=("home", "work"),
                sample_samples=10**9,
            ),
            sampling=SamplingSection(size=28, guidance=1.0),
        )  # fmt: skip
        run = Path(scratch) / "run"
        trainer = Trainer(PictureTask(resolve(recipe, pack), pack, run / "cache"), run)
        for report in trainer.steps():
            if report.progress.step % 100 == 0:
                print(f"step {report.progress.step}, loss {report.loss:.3f}", file=sys.stderr)
        model = trainer.averaged_model()
    network, (shown, taken) = judge_of_clothes(source)
    random = stream("mistaken", 0)

    def weak(seen: np.ndarray) -> np.ndarray:
        return np.where(random.random(len(seen)) < MISTAKEN, 1 - seen, seen)

    confusion = Confusion.of(shown, weak(taken), np.arange(len(shown)), CLOTHES)
    print(f"a model trained on {samples:,} samples of 90% {CLOTHES[1]} and 10% {CLOTHES[0]}, called work")
    right, weakly = np.mean(shown == taken), np.trace(confusion.rates) / 2
    print(f"judge: right on {right:.4f} of unseen pictures; the weak one on {weakly:.3f}")
    for scale in (1.0, 2.0, 4.0, 8.0):
        many = np.stack([out.array for out in model.generate("work", 0, 500, guidance=scale)])
        truth = network.classify(many).numpy()
        within, estimates = 0, []
        for k in range(40):
            seen = weak(random.choice(truth, pictures, replace=False))
            found = Shares.of(seen, confusion, CLOTHES, k).amplification(CLOTHES[1], {CLOTHES[1]: 0.9})
            assert found is not None
            within += found.low <= np.mean(truth) / 0.9 <= found.high
            estimates.append(found)
        amplified = np.mean(truth) / 0.9
        print(
            f"guidance {scale:g}: sneakers {of_mean(truth == 1)} of {len(truth)}, amplification {amplified:.3f}"
        )
        print(f"   by the weak judge on {pictures}: {estimates[0]}; {within} of 40 intervals hold the truth")


def judge_of_clothes(source: Pack) -> tuple[Classifier, tuple[np.ndarray, np.ndarray]]:
    """A classifier of bags and sneakers, and what it takes unseen ones for."""
    code = np.full(len(source.concept_names), -1)
    for value, kind in enumerate(CLOTHES):
        code[[name.lower() == kind.lower() for name in source.concept_names]] = value
    labels = code[source.concepts]
    learn = np.flatnonzero((source.splits == TRAIN) & (labels >= 0))
    held = np.flatnonzero((source.splits != TRAIN) & (labels >= 0))
    config = ClassifierConfig(names=CLOTHES, widths=(16, 32, 64))
    network = train_classifier(lambda k: source.pictures(learn[k]), labels[learn], config, 20_000)
    judge = Classifier(network, config, "", {})
    return judge, (labels[held], judge.classify(source.pictures(held)).numpy())


def quotas(name: str, where: Path, scales: Sequence[float]) -> list[Audit]:
    model, pack = Model.load(name), Pack.open(where)
    assert model.bundle is not None
    learned = Learned.of(model.bundle)
    people = tuple(sorted({row.family for row in pack.rows() if row.group == "people and body"}))
    half = Quota(attribute="gender", when=people, shares={"female": 0.5, "male": 0.5})
    audits: list[Audit] = []
    for what, applied in (("without quotas", ()), ("with quotas", (half,))):
        found = audit(model, name, pack, Plan(tuple(scales), 1, quotas=applied), learned)
        audits.append(found)
        print(f"\n{what}")
        for figures in (f for f in found.found if f.attribute == "gender"):
            texts = found.drawn[figures.guidance]
            asked = [gender(text) for text in texts if states("gender", text)]
            away = abs(np.mean([a == "female" for a in asked]) - 0.5) if asked else float("nan")
            shares = figures.shares
            print(f"guidance {figures.guidance:g}: {len(asked)} of {len(texts)} prompts ask for a gender: "
                  f"total variation {away:.4f}")  # fmt: skip
            told = [f"{value} {shares.share(value)}" for value in shares.values]
            print(f"   seen: {'  '.join([*told, f'unclear {shares.unclear}'])}")
            print(f"   total variation: {shares.total_variation({'female': 0.5, 'male': 0.5})}")
    return audits


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("classifier", "coverage", "trained", "quotas"))
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--pack", type=Path, default=Path("data/emoji"))
    parser.add_argument("--clothes", type=Path, default=Path("data/fashion-mnist"))
    parser.add_argument("--pictures", type=int, default=300, help="that are judged at once")
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--samples", type=int, default=64_000, help="that the planted model is trained on")
    parser.add_argument("--scales", type=float, nargs="+", default=(1.0, 4.0, 8.0))
    given = parser.parse_args()
    if given.what == "classifier":
        classifier(given.pack)
    elif given.what == "coverage":
        coverage(given.pack, given.pictures, given.repetitions)
    elif given.what == "trained":
        trained(given.clothes, given.samples, given.pictures)
    else:
        quotas(given.model, given.pack, given.scales)


if __name__ == "__main__":
    main()
