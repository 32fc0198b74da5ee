"""Which real pictures a model is measured against: those it learned from, and those it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ornstein.bundle import MANIFEST, Bundle
from ornstein.data import manifest
from ornstein.data.manifest import TRAIN
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError, UsageError
from ornstein.rng import stream


@dataclass(frozen=True)
class Real:
    """Real pictures.

    Attributes:
        training: the pack the model learned from. learned: its rows that were trained on.
        held: the pack of unseen pictures, often the same. unseen: its rows that were not trained on.
    """

    training: Pack
    learned: np.ndarray
    held: Pack
    unseen: np.ndarray

    def some_learned(self, count: int, seed: int) -> np.ndarray:
        """Up to `count` rows trained on, drawn by the seed, ascending."""
        return np.sort(stream("evaluate learned", seed).permutation(self.learned)[:count])

    def some_unseen(self, count: int, seed: int) -> np.ndarray:
        """Up to `count` unseen rows, drawn by the seed, ascending."""
        return np.sort(stream("evaluate unseen", seed).permutation(self.unseen)[:count])


def real_pictures(bundle: Bundle, against: Path | None = None) -> Real:
    """Find the packs and split them by what the bundle's manifest says was trained on.

    Args:
        bundle: whose manifest decides.
        against: pack of unseen pictures; by default what the training pack holds out.

    Raises:
        UsageError: `against` holds nothing that was not trained on, other channels, or fewer pictures than compare.
        OrnsteinError: the bundle tells no training data, or its pack is not at hand.
    """
    recipe = bundle.facts.recipe
    if bundle.facts.data is None:
        raise OrnsteinError(
            f"{bundle.folder} does not tell what it learned from: nothing can be called unseen"
        )
    learned = {row.sha256 for row in manifest.read(bundle.folder / MANIFEST) if row.split == TRAIN}
    training = _open(Path(recipe.data.pack), "the training set")
    held = training if against is None else _open(against, "--against")
    for pack in (training, held):
        if pack.channels != recipe.codec.channels:
            raise UsageError(
                f"{pack.name} has {pack.channels} channels, {recipe.name} makes {recipe.codec.channels}"
            )
    seen, unseen = _split(training, learned)[0], _split(held, learned)[1]
    if len(unseen) == 0:
        raise UsageError(
            f"every picture of {held.name} was trained on: it cannot be called held-out; name another --against"
        )
    if len(seen) == 0:
        raise OrnsteinError(f"{training.name} at {training.folder} is not what {recipe.name} learned from")
    return Real(training, seen, held, unseen)


def _split(pack: Pack, learned: set[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows that were trained on and rows that were not, by the hash of their pictures."""
    inside = np.array([row.sha256 in learned for row in pack.rows()], dtype=bool)
    return np.flatnonzero(inside), np.flatnonzero(~inside)


def _open(folder: Path, what: str) -> Pack:
    try:
        return Pack.open(folder)
    except OrnsteinError as error:
        raise OrnsteinError(f"{what}: {error}") from error
