"""Fidelity and diversity of rows: α-precision, β-recall and authenticity (Alaa et al. 2022, arXiv 2102.08921).

The α-support of a set is the ball about its mean that holds a share α of it. α-precision asks how many generated rows
lie within the real α-support, which should be α; β-recall how many real rows have a generated row of the β-support as
near as their nearest real neighbour, which should be β. Each score is 1 minus twice the mean departure over all α or β.
Authenticity is the share of generated rows farther from their nearest training row than that one is from its own
nearest. The space is ours (``space.py``) for all tables, not the one-class network of the paper: figures compare with
one another, not with the paper's.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.evaluate.estimate import Estimate, of_mean, of_statistic
from ornstein.evaluate.tables.space import nearest, nearest_others

LEVELS = torch.linspace(0, 1, 31)[1:]  # of α and β
SUBSETS = 20
EXACT = "donot_use_mm_for_euclid_dist"  # equal rows are 0 apart, not 1e-3


def alpha_precision(real: Float[Tensor, "n d"], made: Float[Tensor, "m d"], seed: int = 0) -> Estimate:
    """1 where as many generated rows as real ones lie within every ball about the real rows' mean; 0 at worst."""

    def score(i: Tensor, j: Tensor) -> float:
        centre = real[i].mean(0)
        radii = (real[i] - centre).norm(dim=1).quantile(LEVELS)
        shares = ((made[j] - centre).norm(dim=1)[:, None] <= radii).float().mean(0)
        return _score(shares)

    return of_statistic(score, len(real), len(made), seed, SUBSETS)


def beta_recall(real: Float[Tensor, "n d"], made: Float[Tensor, "m d"], seed: int = 0) -> Estimate:
    """1 where every share β of the generated rows reaches as large a share of the real ones; as many of each are meant.

    Real rows that differ score about a half: of two alike samples each is nearer to a row half of the time. Read it
    beside the score of real rows.
    """
    own, across = (torch.cdist(real, rows, compute_mode=EXACT) for rows in (real, made))
    own.fill_diagonal_(torch.inf)

    def score(i: Tensor, j: Tensor) -> float:
        distance, place = across[i][:, j].min(1)
        out = (made[j] - made[j].mean(0)).norm(dim=1)
        reached = distance <= own[i][:, i].amin(1)
        within = out[place][:, None] <= out.quantile(LEVELS)
        return _score((reached[:, None] & within).float().mean(0))

    return of_statistic(score, len(real), len(made), seed, SUBSETS)


def authenticity(train: Float[Tensor, "n d"], made: Float[Tensor, "m d"]) -> Estimate:
    """Share of generated rows that are farther from their nearest training row than that is from its own nearest."""
    distance, place = nearest(made, train)
    own = nearest_others(train)
    return of_mean(np.asarray(distance[:, 0] > own[place[:, 0]]))


def _score(shares: Tensor) -> float:
    return float(1 - 2 * (shares - LEVELS).abs().mean())
