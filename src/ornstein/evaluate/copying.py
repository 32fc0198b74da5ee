"""Does a model repeat what it learned from? Nearest neighbours among the training pictures answer.

Near a training picture there may be nothing wrong: a held-out picture of a common thing is near one, too. So generated
pictures are judged beside held-out ones, which cannot be copies, and by how much nearer the nearest training picture is
than the next ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ornstein.evaluate.estimate import Estimate, of_mean

NEIGHBOURS = 50
FALSE_ALARMS = 0.01  # share of held-out pictures that the threshold flags


@dataclass(frozen=True)
class Neighbours:
    """What lies nearest to each of a set of pictures among the training pictures, in unit features.

    Attributes:
        nearest: (N,) index of the training picture. distance: (N,) Euclidean, 0 to 2.
        ratio: (N,) that distance by the mean of the next ones up to the fiftieth: near 0 where a picture is next to
            one training picture and far from all others.
    """

    nearest: Int[Tensor, " samples"]
    distance: Float[Tensor, " samples"]
    ratio: Float[Tensor, " samples"]


@dataclass(frozen=True)
class Copying:
    """Generated beside held-out pictures.

    Attributes:
        flagged: share of generated pictures under the threshold. threshold: ratio below which one in a hundred held-out
            pictures lies. expected: share of held-out pictures under it.
        distance: mean distance to the nearest training picture; of held-out pictures: `distance_held_out`.
        authentic: share of generated pictures farther from their nearest training picture than that one is from its own
            nearest (AuthPct, Alaa et al. 2022, arXiv 2102.08921); of held-out pictures: `authentic_held_out`.
        suspects: indices of generated pictures, least ratio first.
        nearest: index of the training picture nearest to each generated one.
    """

    flagged: Estimate
    expected: Estimate
    threshold: float
    distance: Estimate
    distance_held_out: Estimate
    authentic: Estimate
    authentic_held_out: Estimate
    suspects: Tensor
    nearest: Tensor


def neighbours(
    features: Float[Tensor, "samples width"], training: Float[Tensor, "train width"]
) -> Neighbours:
    """Search each picture among the training pictures, of which there must be at least two."""
    k = min(NEIGHBOURS, len(training))
    found, where = torch.cdist(F.normalize(features, dim=1), F.normalize(training, dim=1)).topk(
        k, dim=1, largest=False
    )
    return Neighbours(where[:, 0], found[:, 0], ratios(found))


def ratios(distances: Float[Tensor, "samples k"]) -> Float[Tensor, " samples"]:
    """The nearest of ascending distances by the mean of the others."""
    return distances[:, 0] / distances[:, 1:].mean(1).clamp(min=1e-9)


def copying(generated: Tensor, held_out: Tensor, training: Tensor) -> Copying:
    """Judge generated pictures by features (N, D), beside held-out (M, D), against training pictures (T, D)."""
    made, held = neighbours(generated, training), neighbours(held_out, training)
    threshold = float(held.ratio.double().quantile(FALSE_ALARMS))
    own = _nearest_other(training, torch.cat([made.nearest, held.nearest]))
    authentic = torch.cat([made.distance, held.distance]) > own
    return Copying(
        flagged=of_mean(made.ratio < threshold),
        expected=of_mean(held.ratio < threshold),
        threshold=threshold,
        distance=of_mean(made.distance),
        distance_held_out=of_mean(held.distance),
        authentic=of_mean(authentic[: len(generated)]),
        authentic_held_out=of_mean(authentic[len(generated) :]),
        suspects=made.ratio.argsort(stable=True),
        nearest=made.nearest,
    )


def is_copying(found: Copying) -> bool:
    """Whether more is flagged than held-out pictures would be, beyond what chance explains."""
    return found.flagged.low > max(found.expected.high, 2 * FALSE_ALARMS)


def _nearest_other(training: Tensor, which: Tensor) -> Tensor:
    """Distance of some training pictures to the nearest other one, 0 for exact duplicates."""
    chosen, back = which.unique(return_inverse=True)
    unit = F.normalize(training, dim=1)
    apart = torch.cdist(unit[chosen], unit)
    apart[torch.arange(len(chosen)), chosen] = torch.inf
    return apart.amin(1)[back]
