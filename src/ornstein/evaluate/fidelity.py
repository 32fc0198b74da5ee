"""How near generated pictures come to real ones, and how many different ones there are.

Every figure is measured twice in the same way: on generated pictures, and on as many real pictures that the model never
saw (its floor, or its ceiling). Only the two together say something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ornstein.evaluate.diversity import vendi
from ornstein.evaluate.estimate import Estimate, of_mean, of_statistic, ratio
from ornstein.evaluate.frechet import FrechetDistance, moments, require_enough
from ornstein.evaluate.manifold import manifold
from ornstein.evaluate.mmd import Discrepancy, Kernel, gaussian, median_distance, polynomial
from ornstein.evaluate.sets import OURS, Words


@dataclass(frozen=True)
class Figure:
    """One line of a report.

    Attributes:
        key: short name, as in ``--fail-if "fdr>1.3"``.
        features: network whose features were compared; empty where none was.
        title: for people.
        generated: on generated pictures.
        real: on as many unseen real pictures; None where that means nothing.
        better: which way is better; "real": towards what real pictures have, on either side of it.
    """

    key: str
    features: str
    title: str
    generated: Estimate
    real: Estimate | None
    better: Literal["lower", "higher", "real"]


def fidelity(
    name: str,
    generated: Tensor,
    unseen: Tensor,
    learned: Tensor,
    progress: Callable[[str], None] = lambda what: None,
    words: Words = OURS,
) -> Iterator[Figure]:
    """Compare generated with unseen real pictures, both against pictures trained on.

    Args:
        name: of the feature network.
        generated: features (N, D).
        unseen: features (N, D) of real pictures that were not trained on, as many.
        learned: features (M, D) of pictures that were trained on, M at least N.
        progress: told what comes next.
        words: what the real pictures are called.

    Raises:
        UsageError: fewer samples than the features are wide.
    """
    count = len(generated)
    require_enough(count, generated.shape[1])
    assert len(unseen) == count <= len(learned), "sets of different sizes do not compare"
    progress("Fréchet distance")
    yield from _frechet(name, generated, unseen, learned, words)
    sample = learned[torch.linspace(0, len(learned) - 1, count).long()]
    progress("mean discrepancies")
    kernels: dict[str, tuple[str, Kernel]] = {
        "kid": ("KID: MMD², cubic kernel, ×1000", polynomial),
        "mmd": ("MMD², Gaussian kernel of median width, ×1000", gaussian(median_distance(sample))),
    }
    for key, (title, kernel) in kernels.items():
        made, real = (discrepancy(x, sample, kernel) for x in (generated, unseen))
        yield Figure(key, name, title, made, real, "lower")
    progress("neighbourhoods")
    made, real = manifold(sample, generated), manifold(sample, unseen)
    for key, title in (
        ("precision", "precision: generated within the real manifold"),
        ("recall", "recall: real within the generated manifold"),
        ("density", "density: real neighbourhoods a picture lies in"),
        ("coverage", "coverage: real neighbourhoods that are reached"),
    ):
        yield Figure(key, name, title, of_mean(getattr(made, key)), of_mean(getattr(real, key)), "higher")
    progress("diversity")
    yield Figure(
        "vendi", name, "Vendi score: pictures that differ", _vendi(generated), _vendi(unseen), "real"
    )


def _frechet(name: str, generated: Tensor, unseen: Tensor, learned: Tensor, words: Words) -> Iterator[Figure]:
    distance = FrechetDistance(moments(learned))

    def estimate(features: Tensor) -> Estimate:
        return of_statistic(lambda rows, _: distance(moments(features[rows])), len(features), len(features))

    made, real = estimate(generated), estimate(unseen)
    yield Figure(
        "fdr", name, f"FDr: distance to {words.known} pictures by that of {words.unseen} ones; 1 is real",
        ratio(made, real), None, "lower",
    )  # fmt: skip
    yield Figure("fd", name, f"Fréchet distance to {words.known} pictures", made, real, "lower")


def discrepancy(first: Tensor, second: Tensor, kernel: Kernel) -> Estimate:
    """A thousand times the MMD of two sets of features under a kernel."""
    found = Discrepancy(first, second, kernel)
    return of_statistic(lambda a, b: 1000 * found(a, b), len(first), len(second))


def _vendi(features: Tensor) -> Estimate:
    return of_statistic(lambda rows, _: vendi(features[rows]), len(features), len(features))
