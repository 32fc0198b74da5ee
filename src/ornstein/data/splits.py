"""Which pictures are held out, decided by hashes of names: the same on every machine and in every build."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ornstein.data.manifest import HELD_OUT_CONCEPT, HELD_OUT_PAIR, TRAIN

CONCEPT_SHARE = 0.05
PAIR_SHARE = 0.05
_FEWEST_STYLES = 3
_TRAINED_STYLES = 2


def position(*words: str) -> float:
    """Return a number in [0, 1) that the words alone decide."""
    digest = hashlib.sha256("\x1f".join(words).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign(
    items: Sequence[tuple[str, str, str]],
    concept_share: float = CONCEPT_SHARE,
    pair_share: float = PAIR_SHARE,
) -> list[str]:
    """Return the split of each (concept, family, style).

    A share of concepts is held out in all styles, and a share of (concept, style) pairs where the concept
    has at least three styles, of which at least two stay in training. The family decides both, so that
    "woman farmer" never teaches the held-out "man farmer". All variants of a pair go together.
    """
    styles: dict[str, set[str]] = {}
    for _, family, style in items:
        styles.setdefault(family, set()).add(style)
    of_concept: dict[str, set[str]] = {}
    for concept, _, style in items:
        of_concept.setdefault(concept, set()).add(style)
    held = {family: _held_pairs(family, names, pair_share) for family, names in styles.items()}
    out: list[str] = []
    for concept, family, style in items:
        known = of_concept[concept]
        trains_on = len(known - held[family])
        if position("concept", family) < concept_share:
            out.append(HELD_OUT_CONCEPT)
        elif style in held[family] and len(known) >= _FEWEST_STYLES and trains_on >= _TRAINED_STYLES:
            out.append(HELD_OUT_PAIR)
        else:
            out.append(TRAIN)
    return out


def _held_pairs(family: str, styles: set[str], share: float) -> set[str]:
    places = {style: position("pair", family, style) for style in styles}
    return {style for style, place in places.items() if place < share}
