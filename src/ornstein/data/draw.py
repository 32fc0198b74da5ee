"""Laws that draw training examples. Each is a pure function of (seed, step): a resumed run is the run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ornstein.data.pack import Pack
from ornstein.errors import UsageError

CAPTION_WEIGHTS = (0.5, 0.15, 0.1, 0.15, 0.1)  # standard, style first, short, with tags, with group
PLAIN = 0.5  # probability of the plain variant where there are skin tones

# Distinct streams for distinct purposes, so that a draw shares no number with noise of the same seed.
_CONCEPT_FIRST, _UNIFORM = 0x636F6E63, 0x756E6966


class _Captions:
    """Choose a caption form by weight; rows with fewer forms than weights share by what they have."""

    def __init__(self, pack: Pack, weights: Sequence[float]) -> None:
        self._weights = np.asarray(weights, dtype=np.float64)
        if self._weights.ndim != 1 or not np.isfinite(self._weights).all() or (self._weights < 0).any():
            raise UsageError(f"caption weights must be finite and not negative, not {list(weights)}")
        if not len(weights) or self._weights[0] <= 0:
            raise UsageError("the first caption weight must be positive: every picture has the standard form")
        self._pack = pack

    def __call__(self, indices: np.ndarray, uniform: np.ndarray) -> list[str]:
        chosen: list[str] = []
        for index, u in zip(indices.tolist(), uniform.tolist(), strict=True):
            forms = self._pack.captions(index)
            ladder = np.cumsum(self._weights[: len(forms)])
            chosen.append(forms[int(np.searchsorted(ladder, u * ladder[-1], side="right"))])
        return chosen


def _uniforms(seed: int, step: int, tag: int, count: int, columns: int) -> np.ndarray:
    """Return float64 (count, columns) in [0, 1). Row i does not depend on `count`."""
    if seed < 0 or step < 0 or count < 0:
        raise UsageError(f"seed, step and count must not be negative: {seed}, {step}, {count}")
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, step, tag))))
    return generator.random((count, columns))


class ConceptFirst:
    """Concept uniformly, then style among that concept's styles, then variant, then caption form.

    Uniform over concepts because skin tones and styles multiply rows: some concepts have two hundred
    pictures, most have eight, and rows drawn uniformly would train on little but people.
    """

    def __init__(
        self,
        pack: Pack,
        split: str = "train",
        caption_weights: Sequence[float] = CAPTION_WEIGHTS,
        plain: float = PLAIN,
    ) -> None:
        if not 0 <= plain <= 1:
            raise UsageError(f"plain must be a probability, not {plain}")
        self._captions, self._plain = _Captions(pack, caption_weights), plain
        rows = pack.indices(split)
        toned = (pack.variants[rows] != 0).astype(np.int64)
        # Sorted by (concept, style, toned): each concept, each pair and its two halves are runs of rows.
        order = np.lexsort((rows, toned, pack.styles[rows], pack.concepts[rows]))
        self._rows, toned = rows[order], toned[order]
        pair = pack.concepts[self._rows].astype(np.int64) * len(pack.style_names) + pack.styles[self._rows]
        _, self._pair_start, self._pair_rows = np.unique(pair, return_index=True, return_counts=True)
        self._pair_plain = np.add.reduceat(1 - toned, self._pair_start)
        concept_of_pair = pack.concepts[self._rows[self._pair_start]]
        _, self._concept_start, self._concept_pairs = np.unique(
            concept_of_pair, return_index=True, return_counts=True
        )

    def __call__(self, seed: int, step: int, count: int) -> tuple[np.ndarray, list[str]]:
        """Return row numbers, int64 (count,), and a caption for each; a pure function of (seed, step).

        A larger count continues the same sequence.
        """
        u = _uniforms(seed, step, _CONCEPT_FIRST, count, 5)
        concept = (u[:, 0] * len(self._concept_start)).astype(np.int64)
        pair = self._concept_start[concept] + (u[:, 1] * self._concept_pairs[concept]).astype(np.int64)
        plain, total = self._pair_plain[pair], self._pair_rows[pair]
        take_plain = (plain == total) | ((plain > 0) & (u[:, 2] < self._plain))
        first = np.where(take_plain, 0, plain)
        choices = np.where(take_plain, plain, total - plain)
        rows = self._rows[self._pair_start[pair] + first + (u[:, 3] * choices).astype(np.int64)]
        return rows, self._captions(rows, u[:, 4])


class Uniform:
    """Every row of the split with the same probability."""

    def __init__(
        self, pack: Pack, split: str = "train", caption_weights: Sequence[float] = CAPTION_WEIGHTS
    ) -> None:
        self._captions, self._rows = _Captions(pack, caption_weights), pack.indices(split)

    def __call__(self, seed: int, step: int, count: int) -> tuple[np.ndarray, list[str]]:
        """Return row numbers, int64 (count,), and a caption for each; a pure function of (seed, step)."""
        u = _uniforms(seed, step, _UNIFORM, count, 2)
        rows = self._rows[(u[:, 0] * len(self._rows)).astype(np.int64)]
        return rows, self._captions(rows, u[:, 1])
