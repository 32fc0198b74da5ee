"""Fidelity apart from diversity: who lies within whose neighbourhoods.

A set's manifold is the union of balls around its members, each reaching to the member's k-th nearest neighbour in the
set. Precision is the share of generated pictures within the real manifold, recall the share of real pictures within the
generated one (Kynkäänniemi et al. 2019, arXiv 1904.06991). Density counts in how many real balls a generated picture
lies, by k, and coverage is the share of real balls that hold one (Naeem et al. 2020, arXiv 2002.09797): both bear
outliers better.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

NEAREST_BALL, NEAREST_COUNT = 3, 5  # k of the papers: precision and recall; density and coverage


@dataclass(frozen=True)
class Manifold:
    """Values of each picture, whose means are the figures.

    Attributes:
        precision: (generated,) bool. recall: (real,) bool. density: (generated,) from 0. coverage: (real,) bool.
    """

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def manifold(real: Float[Tensor, "reals width"], generated: Float[Tensor, "fakes width"]) -> Manifold:
    """Compare two sets of features, float32 or float64; both need more than five members.

    Raises:
        ValueError: fewer.
    """
    if min(len(real), len(generated)) <= NEAREST_COUNT:
        raise ValueError(f"neighbourhoods need more than {NEAREST_COUNT} pictures in each set")
    apart = torch.cdist(real, generated)
    ball_real, ball_count = radii(real, NEAREST_BALL), radii(real, NEAREST_COUNT)
    return Manifold(
        precision=(apart <= ball_real[:, None]).any(0),
        recall=(apart <= radii(generated, NEAREST_BALL)).any(1),
        density=(apart <= ball_count[:, None]).sum(0).double() / NEAREST_COUNT,
        coverage=apart.amin(1) <= ball_count,
    )


def radii(features: Float[Tensor, "samples width"], k: int) -> Float[Tensor, " samples"]:
    """Distance of each member to its k-th nearest other member."""
    return torch.cdist(features, features).fill_diagonal_(torch.inf).kthvalue(k, dim=1).values
