"""How good pictures are: distance, neighbourhoods, classes, detail; unseen real pictures pass the same way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ornstein.data.manifest import TRAIN
from ornstein.data.pack import Pack
from ornstein.errors import UsageError
from ornstein.evaluate.evaluation import CHUNK, LEARNED
from ornstein.evaluate.features import FeatureNetwork, features
from ornstein.evaluate.frechet import FrechetDistance, moments, require_enough
from ornstein.evaluate.manifold import manifold
from ornstein.evaluate.sets import Real

from .spectrum import radial_spectrum, sharpness

Draw: TypeAlias = Callable[[Sequence[int]], Tensor]
"""Maps seeds to pictures."""

TIMED, SECONDS = 64, 2.0  # pictures drawn at once while timed; least time of it


class ClassNetwork(FeatureNetwork, Protocol):
    """A feature network that can also name what it sees."""

    names: tuple[str, ...]

    def classify(self, pictures: np.ndarray) -> Tensor:
        """Index of the likeliest name of each of uint8 (N, H, W, C) pictures, (N,)."""
        ...


@dataclass(frozen=True)
class _Reference:
    """Real pictures as one network sees them.

    Attributes:
        distance: to pictures trained on. real: that distance of unseen pictures. learned: features of as many pictures
        trained on as are measured.
    """

    network: FeatureNetwork
    distance: FrechetDistance
    real: float
    learned: Tensor


class Judge:
    """Measures sets of pictures against a pack's training pictures, in several feature networks.

    Args:
        pack: real pictures.
        networks: whose features are compared; figures are means over them.
        classifier: tells classes.
        count: pictures of a set.
        progress: told what is looked at.

    Raises:
        UsageError: too few pictures for the width of a network, or fewer unseen real ones.
    """

    def __init__(
        self,
        pack: Pack,
        networks: Sequence[FeatureNetwork],
        classifier: ClassNetwork,
        count: int,
        progress: Callable[[str], None] = lambda what: None,
    ) -> None:
        for network in networks:
            require_enough(count, network.width)
        # the same rows as `ornstein evaluate`, hence the same files of the feature cache
        real = Real(pack, pack.indices(TRAIN), pack, np.flatnonzero(pack.splits != TRAIN), pack.channels)
        learned, unseen = real.some_learned(max(LEARNED, count), 0), real.some_unseen(count, 0)
        if min(len(learned), len(unseen)) < count:
            raise UsageError(f"{pack.name} has not {count:,} pictures of each kind, trained on and held out")
        self.classifier, self.count = classifier, count
        self.unseen = pack.pictures(unseen)
        self._references = [self._reference(pack, network, learned, unseen, progress) for network in networks]
        known = pack.pictures(learned)
        self.spectrum, self.shares = radial_spectrum(known), self._shares(known)

    def __call__(self, pictures: np.ndarray) -> dict[str, Any]:
        """All figures of uint8 (count, H, W, C) pictures."""
        each = {held.network.name: _compare(held, held.network(pictures)) for held in self._references}
        shares, spectrum = self._shares(pictures), radial_spectrum(pictures)
        return {
            **{key: _mean([found[key] for found in each.values()]) for key in ("fdr", "precision", "recall")},
            "networks": each,
            "least class": least_class(shares, self.shares),
            "class distance": class_distance(shares, self.shares),
            "shares": dict(zip(self.classifier.names, shares.tolist(), strict=True)),
            "sharpness": sharpness(spectrum, self.spectrum),
            "spectrum": spectrum.tolist(),
        }

    def fdr(self, pictures: np.ndarray) -> float:
        """The distance alone: to pictures trained on, by that of unseen ones; mean over the networks."""
        return _mean([_fdr(held, held.network(pictures)) for held in self._references])

    def _reference(
        self,
        pack: Pack,
        network: FeatureNetwork,
        learned: np.ndarray,
        unseen: np.ndarray,
        progress: Callable[[str], None],
    ) -> _Reference:
        def look(rows: np.ndarray) -> Tensor:
            parts = (pack.pictures(rows[k : k + CHUNK]) for k in range(0, len(rows), CHUNK))
            return features(network, parts, pack.folder / "features")

        progress(f"{network.name}: {len(learned) + len(unseen):,} real pictures")
        known = look(learned)
        distance = FrechetDistance(moments(known))
        some = known[torch.linspace(0, len(known) - 1, len(unseen)).long()]
        return _Reference(network, distance, distance(moments(look(unseen))), some)

    def _shares(self, pictures: np.ndarray) -> np.ndarray:
        return class_shares(self.classifier.classify(pictures).numpy(), len(self.classifier.names))


def _compare(held: _Reference, seen: Tensor) -> dict[str, float]:
    near = manifold(held.learned, seen)
    return {
        "fdr": _fdr(held, seen),
        "precision": float(near.precision.double().mean()),
        "recall": float(near.recall.double().mean()),
    }


def _fdr(held: _Reference, seen: Tensor) -> float:
    return held.distance(moments(seen)) / held.real


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def class_shares(classes: np.ndarray, count: int) -> np.ndarray:
    """Share of each of `count` classes among indices (N,): (count,), sum 1."""
    return np.bincount(classes, minlength=count) / len(classes)


def least_class(shares: np.ndarray, real: np.ndarray) -> float:
    """How much of its real share the rarest class has: 1 is all, 0 a class that is never drawn."""
    present = real > 0
    return float((shares[present] / real[present]).min())


def class_distance(shares: np.ndarray, real: np.ndarray) -> float:
    """Total variation: the share of pictures that would have to change class, from 0 to 1."""
    return float(np.abs(shares - real).sum() / 2)


def samples_per_second(draw: Draw) -> float:
    """Median rate of drawing 64 pictures at a time, after one that warms up."""
    seeds: Sequence[int] = range(TIMED)
    spent: list[float] = []
    draw(seeds)
    while len(spent) < 3 or sum(spent) < SECONDS:
        started = time.perf_counter()
        draw(seeds)
        spent.append(time.perf_counter() - started)
    return TIMED / float(np.median(spent))
