r"""Fréchet distance: how far two sets of features lie apart, taken as Gaussians.

$$d^2=\lVert\mu_1-\mu_2\rVert^2+\operatorname{tr}\bigl(\Sigma_1+\Sigma_2-2(\Sigma_1\Sigma_2)^{1/2}\bigr)$$

(Dowson & Landau 1982; on Inception features this is FID, Heusel et al. 2017, arXiv 1706.08500. In any other features it
is another number, named after them.) It falls with the number of samples even at the same quality, so only distances of
equally many samples compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.errors import UsageError


@dataclass(frozen=True)
class Moments:
    """Mean (D,) and covariance (D, D), float64, of `count` features."""

    mean: Tensor
    covariance: Tensor
    count: int


def moments(features: Float[Tensor, "samples width"]) -> Moments:
    """Fit a Gaussian to at least two samples."""
    x = features.double()
    mean = x.mean(0)
    centred = x - mean
    return Moments(mean, centred.T @ centred / (len(x) - 1), len(x))


def require_enough(count: int, width: int) -> None:
    """Refuse a distance in more dimensions than there are samples.

    Raises:
        UsageError: not more samples than the features are wide: the covariance is then zero in most directions, and the
            distance says more about the number of samples than about them.
    """
    if count <= width:
        raise UsageError(
            f"a Fréchet distance in {width} features needs at least {width + 1:,} samples, not {count:,}"
        )


class FrechetDistance:
    """Distances to one set, whose matrix root is taken once.

    Args:
        reference: moments of the set.
    """

    def __init__(self, reference: Moments) -> None:
        self.reference = reference
        values, vectors = torch.linalg.eigh(reference.covariance)
        self._root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T

    def __call__(self, other: Moments) -> float:
        """The squared distance to `other`; zero for equal moments."""
        apart = (self.reference.mean - other.mean).square().sum()
        # tr (S1 S2)^(1/2): S1 S2 has the eigenvalues of the symmetric S1^(1/2) S2 S1^(1/2)
        product = torch.linalg.eigvalsh(self._root @ other.covariance @ self._root)
        spread = self.reference.covariance.trace() + other.covariance.trace()
        return max(0.0, float(apart + spread - 2 * product.clamp(min=0).sqrt().sum()))


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """The squared distance of two sets of features (N, D) and (M, D).

    Raises:
        UsageError: too few samples, see ``require_enough``.
    """
    require_enough(min(len(first), len(second)), first.shape[1])
    return FrechetDistance(moments(first))(moments(second))
