"""Which real pictures a model is measured against: those it learned from, and those it never saw.

Of a published checkpoint nobody here knows either. A pack that its user names stands in: its training split for what
was learned, what it holds out for what was not seen; and everything that is said of them says so (``Words``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ornstein.bundle import MANIFEST, Bundle
from ornstein.data import manifest
from ornstein.data.manifest import TRAIN
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError, UsageError
from ornstein.evaluate.pictures import opaque
from ornstein.recipes.imported import ImportedRecipe
from ornstein.recipes.recipe import Recipe
from ornstein.rng import stream

LOOKED_AT = 256  # pictures that tell whether a pack has transparency


@dataclass(frozen=True)
class Words:
    """What sets of real pictures may be called without saying more than is known.

    Attributes:
        known: those that distances are measured to. unseen: those that are the measure of what can be reached.
        copies: what generated pictures are called that lie too near to a known one.
        note: a sentence on what is not known; empty where everything is.
    """

    known: str = "training"
    unseen: str = "unseen"
    copies: str = "copies"
    note: str = ""

    @classmethod
    def of_reference(cls, model: str, pack: str) -> Words:
        """For a model of which nobody here knows what it learned from."""
        return cls(
            "reference", "held-out", "likenesses",
            f"{model} was imported and does not tell what it learned from: the reference pictures are the training "
            f"split of {pack}, of which it may have seen any, as of those held out; likeness to them is no proof of a "
            "copy, and no sign that there is none of other pictures.",
        )  # fmt: skip


OURS = Words()


@dataclass(frozen=True)
class Real:
    """Real pictures.

    Attributes:
        training: the pack the model learned from. learned: its rows that were trained on.
        held: the pack of unseen pictures, often the same. unseen: its rows that were not trained on.
        channels: of the model's pictures.
        words: what all of these may be called; of an imported model, `learned` is the reference in place of what it
            learned from.
    """

    training: Pack
    learned: np.ndarray
    held: Pack
    unseen: np.ndarray
    channels: int
    words: Words = OURS

    def pictures(self, pack: Pack, rows: np.ndarray, size: int) -> np.ndarray:
        """Pictures of a pack as the model could make them: on white where it makes opaque colour."""
        found = pack.pictures(rows, size)
        return opaque(found) if self.channels == 3 else found

    @property
    def unaltered(self) -> bool:
        """Whether the model's pictures are of the packs' kind: what was trained on these can judge those."""
        if self.channels != 3:
            return True
        some = self.some_unseen(LOOKED_AT, 0)
        return bool((self.held.pictures(some)[..., 3] == 255).all())

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
        UsageError: `against` holds nothing that was not trained on, or other channels; or it is missing, for a model
            that was imported. OrnsteinError: the bundle tells no training data, or its pack is not at hand.
    """
    recipe = bundle.facts.recipe
    if isinstance(recipe, ImportedRecipe):
        return _reference(recipe, against)
    if bundle.facts.data is None:
        raise OrnsteinError(
            f"{bundle.folder} does not tell what it learned from: nothing can be called unseen"
        )
    learned = {row.sha256 for row in manifest.read(bundle.folder / MANIFEST) if row.split == TRAIN}
    training = _open(Path(recipe.data.pack), "the training set")
    held = training if against is None else _open(against, "--against")
    for pack in (training, held):
        _refuse_other_channels(pack, recipe)
    seen, unseen = _split(training, learned)[0], _split(held, learned)[1]
    if len(unseen) == 0:
        raise UsageError(
            f"every picture of {held.name} was trained on: it cannot be called held-out; name another --against"
        )
    if len(seen) == 0:
        raise OrnsteinError(f"{training.name} at {training.folder} is not what {recipe.name} learned from")
    return Real(training, seen, held, unseen, recipe.codec.channels)


def _reference(recipe: ImportedRecipe, against: Path | None) -> Real:
    """A pack's own splits; pictures that are in both count as known, as they do for a model of ours."""
    if against is None:
        raise UsageError(
            f"{recipe.name} was imported and does not tell what it learned from: name the pack of pictures to measure "
            "it against with --against"
        )
    pack = _open(against, "--against")
    _refuse_other_channels(pack, recipe)
    rows, unseen = _split(pack, {row.sha256 for row in pack.rows() if row.split == TRAIN})
    for found, what in ((rows, "training split"), (unseen, "held-out pictures")):
        if len(found) == 0:
            raise UsageError(f"{pack.name} has no {what}: an imported model is measured against both")
    return Real(pack, rows, pack, unseen, recipe.codec.channels, Words.of_reference(recipe.name, pack.name))


def _refuse_other_channels(pack: Pack, recipe: Recipe | ImportedRecipe) -> None:
    """A pack's transparent pictures can be laid on white for a model of opaque ones; nothing else can be matched."""
    if pack.channels != (4 if recipe.codec.channels == 3 else recipe.codec.channels):
        raise UsageError(
            f"{pack.name} has {pack.channels} channels, {recipe.name} makes {recipe.codec.channels}"
        )


def _split(pack: Pack, learned: set[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows that were trained on and rows that were not, by the hash of their pictures."""
    inside = np.array([row.sha256 in learned for row in pack.rows()], dtype=bool)
    return np.flatnonzero(inside), np.flatnonzero(~inside)


def _open(folder: Path, what: str) -> Pack:
    try:
        return Pack.open(folder)
    except OrnsteinError as error:
        raise OrnsteinError(f"{what}: {error}") from error
