"""Where scorers are found: shipped with the package, or trained for a pack of one's own."""

from __future__ import annotations

from pathlib import Path

from ornstein.data.pack import Pack
from ornstein.evaluate.scorer import WHAT, TrainedScorer
from ornstein.evaluate.weights import read_header

SHIPPED = Path(__file__).parent / "scorers"
BESIDE = "scorer"  # folder of a pack that holds its scorer


def find_scorer(pack: Pack) -> TrainedScorer | None:
    """The scorer trained on a pack: beside it, or shipped with the package; None where there is none.

    Raises:
        OrnsteinError: there is one, and it is damaged.
    """
    shipped = sorted(SHIPPED.iterdir()) if SHIPPED.is_dir() else []
    for folder in (pack.folder / BESIDE, *shipped):
        if read_header(folder, WHAT).get("fingerprint") == pack.fingerprint:
            return TrainedScorer.load(folder)
    return None
