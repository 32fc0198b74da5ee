"""The audit: prompts that leave open who is meant, pictures of them at several scales of guidance, and who is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.evaluate.estimate import Estimate
from ornstein.guard.bias.attributes import NO_TONE, OPEN, VALUES, Attribute
from ornstein.guard.bias.classifier import examine, find_classifier, is_tested
from ornstein.guard.bias.labels import Labels
from ornstein.guard.bias.learned import Learned
from ornstein.guard.bias.measure import Confusion, Shares
from ornstein.guard.bias.quotas import apply
from ornstein.guard.policy import Quota

CHUNK = 64  # pictures between two reports of progress

Tell = Callable[[str, int, int], None]
"""Told what is being done, how far it is, and of how much."""


class Drawn(Protocol):
    """A generated picture."""

    @property
    def array(self) -> np.ndarray: ...


class Generator(Protocol):
    """What makes pictures: a ``Model``, a guarded one, or a stand-in with known shares."""

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], *, guidance: float
    ) -> Sequence[Drawn]: ...


@dataclass(frozen=True)
class Plan:
    """What is asked.

    Attributes:
        scales: of guidance. n: pictures of each prompt at each scale. seed: of the first picture.
        quotas: applied to the prompts; their shares are the target.
    """

    scales: tuple[float, ...] = (1.0, 3.0, 8.0)
    n: int = 1
    seed: int = 0
    quotas: tuple[Quota, ...] = ()

    def target(self, attribute: Attribute) -> dict[str, float]:
        """Shares that are aimed at: a quota's, else the same for every gender or tone that a person can show."""
        for quota in self.quotas:
            if quota.attribute == attribute:
                return dict(quota.shares)
        named = [value for value in VALUES[attribute] if value not in (OPEN, NO_TONE)]
        return {value: 1 / len(named) for value in named}


@dataclass(frozen=True)
class Asked:
    """A prompt of the audit: the plain caption of a real picture whose name states neither gender nor tone."""

    prompt: str
    family: str
    style: str


@dataclass(frozen=True)
class Found:
    """One attribute at one scale of guidance.

    Attributes:
        guidance: the scale. attribute: which. shares: among the pictures.
        learned: shares among training pictures, by reference. target: shares aimed at.
    """

    guidance: float
    attribute: Attribute
    shares: Shares
    learned: Mapping[str, Mapping[str, float]]
    target: Mapping[str, float]

    def facts(self) -> dict[str, Any]:
        """All figures as plain values."""
        shares = self.shares
        return {
            "guidance": self.guidance,
            "attribute": self.attribute,
            "pictures": shares.total,
            "unclear": _plain(shares.unclear),
            "target": dict(self.target),
            "total variation": _plain(shares.total_variation(self.target)),
            "kl": _plain(shares.divergence(self.target)),
            "values": {
                value: {
                    "seen": _plain(shares.seen(value)),
                    "share": _plain(shares.share(value)),
                    "learned": {name: learned[value] for name, learned in self.learned.items()},
                    "amplification": {
                        name: _plain(shares.amplification(value, learned))
                        for name, learned in self.learned.items()
                    },
                }
                for value in shares.values
            },
        }


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        model: its name. pack: that told who is shown. plan: what was asked.
        asked: the prompts, one for each picture of a scale. drawn: what was drawn for each, by scale, quotas applied.
        found: the figures. confusion: of the classifier, by attribute. same: of real pictures whose name leaves the
            gender open, the share that is the drawing of a woman or a man all the same.
        seen: the value seen in each picture, by scale and attribute, as ``AttributeClassifier.see``.
        pictures: uint8 (N, H, W, C), by scale.
    """

    model: str
    pack: str
    plan: Plan
    asked: tuple[Asked, ...]
    drawn: Mapping[float, Sequence[str]]
    found: tuple[Found, ...]
    confusion: Mapping[Attribute, Confusion]
    same: float
    seen: Mapping[float, Mapping[Attribute, np.ndarray]] = field(repr=False)
    pictures: Mapping[float, np.ndarray] = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """All figures as plain values, for JSON."""
        return {
            "model": self.model,
            "pack": self.pack,
            "prompts": len(set(self.asked)),
            "pictures of each": self.plan.n,
            "seed": self.plan.seed,
            "quotas": [quota.model_dump(mode="json") for quota in self.plan.quotas],
            "classifier": {
                attribute: {"values": [*VALUES[attribute], "unclear"], "taken for": matrix.rates.round(4).tolist(),
                            "pictures": matrix.pictures.astype(int).tolist()}
                for attribute, matrix in self.confusion.items()
            },
            "found": [found.facts() for found in self.found],
        }  # fmt: skip


def prompts(pack: Pack, labels: Labels) -> list[Asked]:
    """Every prompt an audit can ask for: of families the classifier never learned from, in styles that have many.

    Raises:
        OrnsteinError: there is none.
    """
    rows = pack.rows()
    found = [
        Asked(rows[index].captions[0], rows[index].family, rows[index].style)
        for index, named in zip(labels.rows.tolist(), labels.named.tolist(), strict=True)
        if not named and rows[index].variant == 0 and is_tested(rows[index].family)
    ]
    if not found:
        raise OrnsteinError(
            f"the pack {pack.name} has no picture of people whose gender its name leaves open"
        )
    styles = Counter(asked.style for asked in found)
    most = max(styles.values())
    return sorted(
        (asked for asked in found if 2 * styles[asked.style] >= most), key=lambda asked: asked.prompt
    )


def audit(
    model: Generator,
    name: str,
    pack: Pack,
    plan: Plan,
    learned: Learned | None = None,
    tell: Tell = lambda *_: None,
) -> Audit:
    """Draw, look, count.

    Args:
        model: makes the pictures.
        name: what to call it.
        pack: whose labels the classifier learns from, and whose captions are the prompts.
        plan: what to ask.
        learned: what the model was trained on; without it nothing is said of amplification.
        tell: of progress.

    Raises:
        OrnsteinError: a pack without people, or pictures of another kind than the pack's.
        UsageError: prompts or scales that the model does not take.
    """
    classifier, labels = find_classifier(pack, lambda done, of: tell("learning to tell attributes", done, of))
    asked = [each for each in prompts(pack, labels) for _ in range(plan.n)]
    families, styles = {each.family for each in asked}, {each.style for each in asked}
    tested = examine(classifier, pack, labels)
    alike = np.isin(tested.families, sorted(families)) & np.isin(tested.styles, sorted(styles))
    confusion: dict[Attribute, Confusion] = {
        attribute: Confusion.of(
            tested.shown[attribute][alike], tested.seen[attribute][alike], tested.families[alike], values
        )
        for attribute, values in VALUES.items()
    }
    before = learned.shares(pack, labels, families, styles) if learned else {}
    drawn, pictures, seen = {}, {}, {}
    for scale in plan.scales:
        drawn[scale], pictures[scale] = _draw(model, asked, plan, scale, pack, tell)
        seen[scale] = classifier.see(pictures[scale])
    found = tuple(
        Found(
            scale, attribute, Shares.of(seen[scale][attribute], confusion[attribute], values, plan.seed),
            {reference: shares[attribute] for reference, shares in before.items()}, plan.target(attribute),
        )
        for attribute, values in VALUES.items()
        for scale in plan.scales
    )  # fmt: skip
    same = float(labels.same[~labels.named].mean())
    return Audit(name, pack.name, plan, tuple(asked), drawn, found, confusion, same, seen, pictures)


def _draw(
    model: Generator, asked: Sequence[Asked], plan: Plan, scale: float, pack: Pack, tell: Tell
) -> tuple[list[str], np.ndarray]:
    """What is drawn, revised by quotas, and the pictures of it."""
    plain, seeds = [each.prompt for each in asked], [plan.seed + k for k in range(len(asked))]
    revised = apply(plan.quotas, plain, seeds)
    texts = [now or before for now, before in zip(revised, plain, strict=True)]
    made: list[np.ndarray] = []
    for start in range(0, len(texts), CHUNK):
        part = slice(start, start + CHUNK)
        made += [out.array for out in model.generate(texts[part], seeds[part], guidance=scale)]
        tell(f"drawing at guidance {scale:g}", len(made), len(texts))
    pictures = np.stack(made)
    if pictures.shape[-1] != pack.channels:
        raise OrnsteinError(
            f"the pictures have {pictures.shape[-1]} channels, those of {pack.name} {pack.channels}: "
            "its classifier cannot judge them"
        )
    return texts, pictures


def _plain(estimate: Estimate | None) -> dict[str, float] | None:
    return estimate and {"value": estimate.value, "low": estimate.low, "high": estimate.high}
