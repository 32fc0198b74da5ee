"""What the policy lets a model learn from: checked before the first step of a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ornstein.data.manifest import TRAIN, Row
from ornstein.guard.decision import RefusedError
from ornstein.guard.policy import Training


def refuse_forbidden(rows: Iterable[Row], rules: Training) -> None:
    """Raise RefusedError naming every licence and holder among the training rows that the policy forbids, with counts.

    Rows that are held out are never learned from, and stay to measure by.
    """
    trained = [row for row in rows if row.split == TRAIN]
    licences = Counter(row.licence or "no licence" for row in trained if row.licence not in rules.licences)
    holders = Counter(row.holder for row in trained if row.holder in rules.holders)
    parts = [f"{count:,} under {name}" for name, count in sorted(licences.items())]
    parts += [f"{count:,} held by {name}" for name, count in sorted(holders.items())]
    if parts:
        raise RefusedError(
            f"the policy forbids to learn from {', '.join(parts)}: take them out "
            "(ornstein data forget HOLDER --pack PACK), or change the policy"
        )


def exact_duplicates(rows: Iterable[Row]) -> int:
    """How many training rows hold a picture, by its hash, that another one holds already."""
    hashes = [row.sha256 for row in rows if row.split == TRAIN]
    return len(hashes) - len(set(hashes))
