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

from ornstein.data.splits import position

HALF = 0.5  # of the held-out pictures make the threshold; the others test it


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
    """Which held-out pictures make the threshold, (N,) bool, decided by their ids; the others may test it."""
    return np.array([position("calibrate", one) < HALF for one in ids], dtype=bool)
