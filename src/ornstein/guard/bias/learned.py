"""Which shares of an attribute's values a model was shown in training, for the people that an audit asks for.

Two references, because they answer two questions (Seshadri et al. 2023, arXiv 2308.00755): prompts that state no gender
belong beside captions that state none; pictures captioned "woman firefighter" are firefighters as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ornstein.bundle import MANIFEST, Bundle
from ornstein.data import manifest
from ornstein.data.draw import PLAIN
from ornstein.data.manifest import TRAIN, Row
from ornstein.data.pack import Pack
from ornstein.guard.bias.attributes import VALUES, Attribute
from ornstein.guard.bias.labels import Labels

OPEN_CAPTIONS, FAMILY = "open captions", "whole family"


@dataclass(frozen=True)
class Learned:
    """What a model was trained on.

    Attributes:
        rows: of the manifest. concept_first: whether they were drawn by concept, then style, then skin tone or none;
            else each alike.
    """

    rows: Sequence[Row]
    concept_first: bool = False

    @classmethod
    def of(cls, bundle: Bundle) -> Learned | None:
        """As a bundle's manifest says; None where it has none.

        Raises:
            OrnsteinError: a manifest that cannot be read.
        """
        if bundle.imported or bundle.facts.data is None:
            return None
        rows = [row for row in manifest.read(bundle.folder / MANIFEST) if row.split == TRAIN]
        return cls(rows, bundle.facts.recipe.data.draw == "concept-first")

    def weights(self) -> np.ndarray:
        """How often each row was drawn, relative to others, (rows,)."""
        if not self.concept_first:
            return np.ones(len(self.rows))
        cells = Counter((row.concept, row.style, row.variant > 0) for row in self.rows)
        styles: dict[str, set[str]] = defaultdict(set)
        for row in self.rows:
            styles[row.concept].add(row.style)

        def weight(row: Row) -> float:
            toned = row.variant > 0
            both = (row.concept, row.style, not toned) in cells
            half = 1.0 if not both else 1 - PLAIN if toned else PLAIN
            return half / len(styles[row.concept]) / cells[row.concept, row.style, toned]

        return np.array([weight(row) for row in self.rows])

    def shares(
        self, pack: Pack, labels: Labels, families: Collection[str], styles: Collection[str]
    ) -> dict[str, dict[Attribute, dict[str, float]]]:
        """Shares of each attribute's values, by reference; without references of which nothing was learned.

        Args:
            pack: in which pictures of the manifest are found, by their hashes.
            labels: of the pack: what they show.
            families: that the audit asks for.
            styles: in which it asks for them.
        """
        place = {row.sha256: k for k, row in enumerate(pack.rows())}
        known = {int(row): k for k, row in enumerate(labels.rows)}
        found = [
            (known[place[row.sha256]], weight, row.variant == 0)
            for row, weight in zip(self.rows, self.weights(), strict=True)
            if row.family in families and row.style in styles and place.get(row.sha256) in known
        ]
        index = np.array([k for k, _, _ in found], np.int64)
        weights, plain = np.array([w for _, w, _ in found]), np.array([p for *_, p in found], bool)
        kept = {FAMILY: np.ones(len(index), bool), OPEN_CAPTIONS: plain & ~labels.named[index]}
        return {
            name: {
                attribute: _shares(labels.shown[attribute][index[mask]], weights[mask], values)
                for attribute, values in VALUES.items()
            }
            for name, mask in kept.items()
            if mask.any()
        }


def _shares(shown: np.ndarray, weights: np.ndarray, values: tuple[str, ...]) -> dict[str, float]:
    sums = np.bincount(shown, weights, len(values)) / weights.sum()
    return dict(zip(values, sums.tolist(), strict=True))
