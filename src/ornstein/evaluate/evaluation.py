"""One evaluation of one bundle: what is compared with what, in which order, and what is kept for the next time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ornstein.data.pack import Pack
from ornstein.errors import UsageError
from ornstein.evaluate.alignment import alignment
from ornstein.evaluate.classifier import Classifier, codes, reference_classifier
from ornstein.evaluate.composition import composition
from ornstein.evaluate.copying import Copying, copying
from ornstein.evaluate.cost import Cost, cost
from ornstein.evaluate.estimate import Estimate, of_mean, plain
from ornstein.evaluate.features import FeatureNetwork, features, find_network
from ornstein.evaluate.fidelity import Figure, fidelity
from ornstein.evaluate.frechet import require_enough
from ornstein.evaluate.pictures import opaque
from ornstein.evaluate.samples import Settings, samples
from ornstein.evaluate.scorer import TrainedScorer
from ornstein.evaluate.scorers import find_scorer
from ornstein.evaluate.sets import OURS, Real, Words, real_pictures
from ornstein.evaluate.utility import utility
from ornstein.model import Model

LEARNED = 4000  # pictures trained on that distances are measured to; all of them are searched for copies
CHUNK = 256  # pictures a file of the feature cache holds
COSTED = 16  # pictures made to learn what a thousand cost
FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        samples: generated pictures, and as many unseen real ones.
        settings: how pictures are made.
        seed: of everything drawn.
        networks: feature networks by name; the scorer joins them where there is one.
    """

    samples: int
    settings: Settings
    seed: int = 0
    networks: tuple[str, ...] = ("effnet-lite0",)


@dataclass
class Evaluation:
    """What was found.

    Attributes:
        model: name.
        plan: what was asked.
        facts: of the data and the model.
        prompts: of the generated pictures.
        generated: pictures, uint8 (N, H, W, C), premultiplied.
        unseen: real pictures of the same prompts.
        figures: generated beside real.
        copying: by feature network.
        composition: by kind of prompt.
        cost: of a thousand pictures.
        suspects: generated pictures that look most like a copy, each with its nearest training picture.
        words: what the real pictures may be called.
        known: fingerprint of the pack that distances are measured to.
        steered: whether prompts had a say.
    """

    model: str
    plan: Plan
    facts: dict[str, Any]
    prompts: list[str]
    generated: np.ndarray
    unseen: np.ndarray
    figures: list[Figure] = field(default_factory=list)
    copying: dict[str, Copying] = field(default_factory=dict)
    composition: dict[str, Estimate] = field(default_factory=dict)
    cost: Cost | None = None
    suspects: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    words: Words = OURS
    known: str = ""
    steered: bool = True

    @property
    def comparable(self) -> list[Figure]:
        """All figures by which models are compared and rules judged: quality, and copying."""
        return self.figures + [
            figure for name, c in self.copying.items() for figure in _copying_figures(name, c, self.words)
        ]

    def metrics(self) -> dict[str, Any]:
        """As plain values, for ``metrics.json``."""
        found: dict[str, Any] = {"format": FORMAT, **self.facts, "figures": {}}
        for figure in self.figures:
            place = found["figures"].setdefault(figure.features or "pictures", {})
            place[figure.key] = {
                "generated": plain(figure.generated),
                **({"real": plain(figure.real)} if figure.real else {}),
                "better": figure.better,
            }
        found["copying"] = {name: _copying(c) for name, c in self.copying.items()}
        found["composition"] = {kind: plain(e) for kind, e in self.composition.items()}
        if self.cost is not None:
            found["cost of a thousand"] = self.cost.facts()
        return found


class Evaluator:
    """Measures a model, with the scorer of its training pack where there is one, or the classifier of its classes.

    Both know the pack's own kind of pictures: they judge no opaque ones where the pack's are transparent, and no model
    that nothing steers.

    Args:
        model: loaded from a bundle.
        cache: folder of samples and features.
        against: pack of unseen pictures; by default what the training pack holds out. Of an imported model, which
            needs one, also the pack that takes the training pack's place.
        tell: told what is being done, how far, and of how much.

    Attributes:
        size: side at which pictures are looked at, real and generated: the model's, or the largest that real ones have.
        steered: whether prompts have a say.
    """

    def __init__(
        self,
        model: Model,
        cache: Path,
        against: Path | None = None,
        tell: Callable[[str, int, int], None] = lambda what, done, of: None,
    ) -> None:
        assert model.bundle is not None
        self.model, self.cache, self._tell = model, cache, tell
        self.real: Real = real_pictures(model.bundle, against)
        training = self.real.training
        self.size = min(model.recipe.sampling.size, training.size, self.real.held.size)
        kind = model.recipe.condition.kind
        self.steered = kind != "nothing"
        judged = self.steered and self.real.unaltered
        self.scorer: TrainedScorer | None = find_scorer(training) if judged else None
        self.by_class = judged and kind == "classes" and len(training.concept_names) > 1

    @cached_property
    def classifier(self) -> Classifier | None:
        """The classifier of the training pack, for a model of classes; trained when it is first asked for."""
        if not self.by_class:
            return None
        return reference_classifier(
            self.real.training, progress=lambda seen, of: self._tell("training the classifier", seen, of)
        )

    @property
    def own(self) -> FeatureNetwork | None:
        """The network that was trained on the model's own kind of pictures: it knows them, and it is the cheapest."""
        return self.scorer or self.classifier

    def aligned(self, pictures: np.ndarray, prompts: Sequence[str]) -> Estimate | None:
        """How well pictures show their prompts: the scorer's cosine, or the share of right classes; else None."""
        if self.scorer is not None:
            return of_mean((self.scorer.see(pictures) * self.scorer.read(prompts)).sum(1).double())
        if self.classifier is not None:
            return of_mean(self.classifier.right(pictures, prompts))
        return None

    def run(self, plan: Plan) -> Evaluation:
        """Measure everything.

        Raises:
            UsageError: fewer pictures than a distance needs, or than there are unseen ones to compare with.
        """
        rows, prompts, seeds = self.asked(plan)
        networks = [find_network(name) for name in plan.networks]
        for network in networks:  # before anything that takes time
            require_enough(plan.samples, network.width)
        if self.own is not None:
            require_enough(plan.samples, self.own.width)
            networks.append(self.own)
        pictures, real = self.draw(plan.settings, prompts, seeds), self.real
        found = Evaluation(
            self.model.recipe.name, plan, self._facts(plan), prompts, pictures,
            real.pictures(real.held, rows, self.size), words=real.words, known=real.training.fingerprint,
            steered=self.steered,
        )  # fmt: skip
        for network in networks:
            self._compare(found, network, rows)
        if self.scorer is not None:
            self._tell("alignment", 0, 1)
            styles = [name for name in self.real.training.style_names if name]
            found.figures += alignment(self.scorer, pictures, found.unseen, prompts, styles)
        if self.classifier is not None:
            found.figures += self._by_class(found, rows)
        recipe = self.model.recipe
        if recipe.condition.kind == "text" and recipe.codec.channels == 4:
            self._tell("composition", 0, 1)
            names = self.real.training.concept_names
            found.composition = composition(
                lambda texts, seeds: self.draw(plan.settings, texts, seeds), self.scorer, names
            )
        self._tell("cost", 0, 1)
        found.cost = cost(self.model, prompts[:COSTED], plan.settings)
        return found

    def asked(self, plan: Plan) -> tuple[np.ndarray, list[str], list[int]]:
        """What the samples of a plan are to show: unseen rows, their plain captions, and a seed for each.

        Raises:
            UsageError: more samples than there are unseen pictures, or pictures trained on, to compare with; or
                captions that are not the model's classes.
        """
        words = self.real.words
        for rows, what in ((self.real.unseen, words.unseen), (self.real.learned, words.known)):
            if plan.samples > len(rows):
                raise UsageError(
                    f"there are {len(rows):,} {what} pictures: ask for as many samples at most, not {plan.samples:,}"
                )
        rows = self.real.some_unseen(plan.samples, plan.seed)
        captions = [self.real.held.captions(int(row))[0] for row in rows]
        if self.model.recipe.condition.kind == "classes":
            try:
                self.model.encoder.encode(sorted(set(captions)))
            except UsageError as error:
                raise UsageError(f"the captions of {self.real.held.name} must be classes: {error}") from None
        return rows, captions, [plan.seed + int(row) for row in rows]

    def draw(self, settings: Settings, prompts: Sequence[str], seeds: Sequence[int]) -> np.ndarray:
        """One picture a prompt, from the cache where it was made before; none larger than the real ones, and of as many
        channels.
        """
        made = samples(
            self.model, prompts, seeds, settings, self.cache / "samples",
            lambda done: self._tell("generating", done, len(prompts)), self.size,
        )  # fmt: skip
        return opaque(made) if made.shape[-1] == 3 else made

    def _compare(self, found: Evaluation, network: FeatureNetwork, rows: np.ndarray) -> None:
        """All figures of one feature network."""
        plan, real = found.plan, self.real
        chosen = real.some_learned(max(LEARNED, plan.samples), plan.seed)
        generated = self.of_generated(network, found.generated)
        unseen = self.of_real(network, real.held, rows)
        learned = self.of_real(network, real.training, chosen)
        tell = lambda what: self._tell(f"{network.name}: {what}", 0, 1)  # noqa: E731
        found.figures += fidelity(network.name, generated, unseen, learned, tell, real.words)
        if self.own is not None and network is not self.own:
            return  # all pictures trained on are searched for copies: in the features that cost least
        everything = self.of_real(network, real.training, real.learned)
        judged = copying(generated, unseen, everything)
        found.copying[network.name] = judged
        self._suspects(found, judged)

    def _by_class(self, found: Evaluation, rows: np.ndarray) -> Iterator[Figure]:
        """How often the class is right, and what the pictures are worth as training data."""
        judge, real = self.classifier, self.real
        assert judge is not None
        made, shown = (judge.right(x, found.prompts) for x in (found.generated, found.unseen))
        title = "the classifier sees the class that was asked for"
        yield Figure("class", "", title, of_mean(made), of_mean(shown), "higher")
        asked, chosen = codes(found.prompts, judge.names), real.some_learned(len(rows), found.plan.seed)
        absent = sorted(set(judge.names) - set(found.prompts))
        if absent:
            self._tell(f"not judged as training data: no sample was asked to be {', '.join(absent)}", 1, 1)
            return
        own, size = real.training, self.size
        names = [real.held.concept_names[k] for k in real.held.concepts[real.unseen]]
        yield from utility(
            (found.generated, asked),
            (real.pictures(own, chosen, size), own.concepts[chosen]),
            (real.pictures(real.held, real.unseen, size), codes(names, judge.names)),
            judge.config,
            progress=lambda what: self._tell(what, 0, 1),
        )

    def _suspects(self, found: Evaluation, judged: Copying, count: int = 12) -> None:
        for k in judged.suspects[:count].tolist():
            nearest = self.real.learned[int(judged.nearest[k])]
            (real,) = self.real.pictures(self.real.training, np.array([nearest]), self.size)
            found.suspects.append((found.generated[k], real))

    def of_real(self, network: FeatureNetwork, pack: Pack, rows: np.ndarray) -> Tensor:
        """Features of a pack's pictures at the model's size, through the cache beside it that all evaluations share."""
        parts = (self.real.pictures(pack, rows[k : k + CHUNK], self.size) for k in range(0, len(rows), CHUNK))
        return features(
            network, parts, pack.folder / "features",
            lambda done: self._tell(f"{network.name}: {pack.name}", done, len(rows)),
        )  # fmt: skip

    def of_generated(self, network: FeatureNetwork, pictures: np.ndarray) -> Tensor:
        """Features of generated pictures, through the evaluation's own cache."""
        parts = (pictures[k : k + CHUNK] for k in range(0, len(pictures), CHUNK))
        return features(
            network, parts, self.cache / "features",
            lambda done: self._tell(f"{network.name}: generated", done, len(pictures)),
        )  # fmt: skip

    def _facts(self, plan: Plan) -> dict[str, Any]:
        bundle, real = self.model.bundle, self.real
        assert bundle is not None
        known = {"pack": real.training.name, "pictures": len(real.learned)}
        return {
            "model": self.model.recipe.name,
            "fingerprint": bundle.fingerprint,
            "settings": {**asdict(plan.settings), "seed": plan.seed},
            "samples": plan.samples,
            **({"trained on": "unknown", "note": real.words.note, "reference": known} if real.words.note
               else {"trained on": known}),
            "held against": {"pack": real.held.name, "fingerprint": real.held.fingerprint,
                             real.words.unseen: len(real.unseen)},
            "scorer": self.scorer.facts.get("retrieval") if self.scorer else None,
        }  # fmt: skip


def _copying_figures(network: str, found: Copying, words: Words) -> tuple[Figure, Figure]:
    return (
        Figure("flagged", network, f"flagged as likely {words.copies}", found.flagged, found.expected, "lower"),
        Figure(
            "authentic", network,
            f"farther from the nearest {words.known} picture than that is from its own nearest",
            found.authentic, found.authentic_held_out, "real",
        ),
    )  # fmt: skip


def _copying(found: Copying) -> dict[str, Any]:
    names = "flagged", "expected", "distance", "distance_held_out", "authentic", "authentic_held_out"
    return {"threshold": found.threshold, **{name: plain(getattr(found, name)) for name in names}}
