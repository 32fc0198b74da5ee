"""How near is too near? What held-out pictures, which cannot be copies, have nearest to them answers.

Conformal testing (Vovk, Gammerman & Shafer 2005, chapter 2): if an honest picture is exchangeable with the held-out
ones, its p-value is at most alpha in at most a share alpha of cases, for any score and any finite number of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.data.manifest import Row
from ornstein.data.splits import position
from ornstein.guard.trace.alike import doubled


@dataclass(frozen=True)
class Null:
    """Scores of pictures that are no copies.

    Attributes:
        scores: (N,) ascending; small is suspicious.
    """

    scores: Float[Tensor, " held"]

    def p(self, scores: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """Share of honest pictures with a score as small, the one in question counted as one: (1 + n) / (1 + N)."""
        below = torch.searchsorted(self.scores, scores.contiguous(), right=True)
        return (1 + below).double() / (1 + len(self.scores))

    def threshold(self, alpha: float) -> float:
        """Scores below it, and only those, have a p-value of at most `alpha`; -inf where so few cannot tell."""
        place = math.floor(alpha * (1 + len(self.scores)) + 1e-9)
        return float(self.scores[place - 1]) if place else -math.inf

    def reachable(self, alpha: float) -> float:
        """`alpha`, or the smallest that so few pictures can tell: 1 / (1 + N)."""
        return max(alpha, 1 / (1 + len(self.scores)))


def calibrating(ids: Sequence[str]) -> np.ndarray:
    """Which honest pictures make the threshold, (N,) bool; the others may test it.

    One of every two neighbours in order of their ids, by a coin that the id tosses: each picture is as likely to be in
    either half, and series of like pictures are in both.
    """
    order, chosen = np.argsort(np.asarray(ids, dtype=np.str_), kind="stable"), np.zeros(len(ids), dtype=bool)
    for start in range(0, len(ids), 2):
        pair = order[start : start + 2]
        chosen[pair[int(position("calibrate", ids[int(pair[0])]) * len(pair))]] = True
    return chosen


def honest(
    held: Sequence[Row], pictures: np.ndarray, trained: Sequence[Row], known: np.ndarray
) -> np.ndarray:
    """Which held-out pictures cannot be called copies, (N,) bool; no descriptor is asked.

    Not those that are the same as a trained picture, or its mirror image; nor those of which the same holder's drawing
    in another style was trained on: that is a version of the same work.

    Args:
        held: rows.
        pictures: of them, uint8 (N, H, W, C).
        trained: rows.
        known: pictures of these.
    """
    works: dict[tuple[str, int, str], set[str]] = {}
    for row in trained:
        if row.style:
            works.setdefault((row.concept, row.variant, row.holder), set()).add(row.style)
    version = [bool(works.get((row.concept, row.variant, row.holder), set()) - {row.style}) for row in held]
    mirrored = np.ascontiguousarray(pictures[:, :, ::-1])
    return ~(np.array(version, dtype=bool) | doubled(pictures, known) | doubled(mirrored, known))
