"""How far pictures lie from the training pictures, in the same features for every contestant, beside the real floor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from torch import Tensor

from ornstein.data.manifest import HELD_OUT, TRAIN
from ornstein.data.pack import Pack
from ornstein.evaluate.classifier import reference_classifier
from ornstein.evaluate.features import FeatureNetwork, features, find_network
from ornstein.evaluate.frechet import FrechetDistance, moments, require_enough

REFERENCE = 10_000  # training pictures compared with
CHUNK = 500  # pictures a file of the feature cache holds


class Judge:
    """Fréchet distances to training pictures in one network's features.

    Args:
        pack: training and held-out pictures.
        network: gives the features.
        count: pictures every set holds; a distance depends on it.
        cache: folder that keeps the features.

    Raises:
        UsageError: no more pictures than a feature has numbers.
    """

    def __init__(self, pack: Pack, network: FeatureNetwork, count: int, cache: Path) -> None:
        require_enough(count, network.width)
        self.name, self.count, self._network, self._cache = network.name, count, network, cache
        learned = pack.pictures(_spread(pack.indices(TRAIN), REFERENCE))
        self._distance = FrechetDistance(moments(self._features(learned)))
        self.floor = self.distance(pack.pictures(_spread(pack.indices(HELD_OUT), count)))

    def distance(self, pictures: np.ndarray) -> float:
        """FD of uint8 (count, H, W, C) pictures to the training pictures.

        Raises:
            ValueError: another number of pictures than the floor was measured on.
        """
        if len(pictures) != self.count:
            raise ValueError(f"{len(pictures)} pictures do not compare with a floor measured on {self.count}")
        return self._distance(moments(self._features(pictures)))

    def _features(self, pictures: np.ndarray) -> Tensor:
        return features(self._network, _chunks(pictures), self._cache)


def judges(pack: Pack, count: int, cache: Path, names: Sequence[str]) -> list[Judge]:
    """One judge for each name: ``classifier``, or a feature network known to ``find_network``."""
    console = Console(stderr=True)
    made: list[Judge] = []
    for name in names:
        with console.status(f"features of real pictures: {name}"):
            network = reference_classifier(pack) if name == "classifier" else find_network(name)
            made.append(Judge(pack, network, count, cache))
    return made


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` rows, evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]


def _chunks(pictures: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(pictures), CHUNK):
        yield pictures[start : start + CHUNK]
