"""Where scorers are found: shipped with the package, or trained for a pack of one's own."""

from __future__ import annotations

import json
from pathlib import Path

from ornstein.data.pack import Pack
from ornstein.evaluate.scorer import HEADER, TrainedScorer

SHIPPED = Path(__file__).parent / "scorers"
BESIDE = "scorer"  # folder of a pack that holds its scorer


def find_scorer(pack: Pack) -> TrainedScorer | None:
    """The scorer trained on a pack: beside it, or shipped with the package; None where there is none.

    Raises:
        OrnsteinError: there is one, and it is damaged.
    """
    shipped = sorted(SHIPPED.iterdir()) if SHIPPED.is_dir() else []
    for folder in (pack.folder / BESIDE, *shipped):
        header = folder / HEADER
        if (
            header.is_file()
            and json.loads(header.read_text(encoding="utf-8"))["fingerprint"] == pack.fingerprint
        ):
            return TrainedScorer.load(folder)
    return None
