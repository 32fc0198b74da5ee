r"""Maximum mean discrepancy: how far two distributions lie apart, without taking them for Gaussians.

$$\mathrm{MMD}^2=\mathbb E\,k(x,x')+\mathbb E\,k(y,y')-2\,\mathbb E\,k(x,y)$$

estimated without bias (Gretton et al. 2012, JMLR 13, equation 3), so that equal distributions score zero on average,
at any number of samples, and sometimes below.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Kernel = Callable[[Tensor, Tensor], Tensor]


def polynomial(x: Float[Tensor, "n width"], y: Float[Tensor, "m width"]) -> Float[Tensor, "n m"]:
    """The cubic kernel of the kernel Inception distance (Bińkowski et al. 2018, arXiv 1801.01401, section 4)."""
    return (x @ y.T / x.shape[1] + 1).pow(3)


def gaussian(bandwidth: float) -> Kernel:
    """exp(-|x - y|^2 / (2 bandwidth^2)), as in CMMD (Jayasumana et al. 2024, arXiv 2401.09603)."""

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (-torch.cdist(x, y).square() / (2 * bandwidth**2)).exp()

    return kernel


def median_distance(x: Float[Tensor, "n width"], most: int = 1000) -> float:
    """The median distance within a set (evenly spaced members of a large one): the usual bandwidth."""
    some = x[torch.linspace(0, len(x) - 1, min(most, len(x))).long()]
    return float(torch.pdist(some).median())


class Discrepancy:
    """MMD^2 of two sets under a kernel, with the products kept, so that subsets cost nothing.

    Args:
        x: features (N, D). y: features (M, D). kernel: of two sets, an (N, M) tensor.
    """

    def __init__(self, x: Tensor, y: Tensor, kernel: Kernel) -> None:
        x, y = x.double(), y.double()
        self._within_x, self._within_y, self._between = kernel(x, x), kernel(y, y), kernel(x, y)

    def __call__(self, first: Tensor, second: Tensor) -> float:
        """The estimate on the members with these indices."""
        return float(
            _off_diagonal_mean(self._within_x[first][:, first])
            + _off_diagonal_mean(self._within_y[second][:, second])
            - 2 * self._between[first][:, second].mean()
        )


def _off_diagonal_mean(square: Tensor) -> Tensor:
    count = square.shape[0]
    return (square.sum() - square.diagonal().sum()) / (count * (count - 1))
