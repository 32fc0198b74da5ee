r"""How many different pictures a set really holds.

The Vendi score is $\exp H$ of the eigenvalues of the similarity matrix divided by its size (Friedman & Dieng 2023,
arXiv 2210.02410): N for N pictures that have nothing in common, 1 for N copies of one.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def vendi(features: Float[Tensor, "samples width"]) -> float:
    """The Vendi score under the cosine of features, between 1 and min(samples, width)."""
    x = F.normalize(features.double(), dim=1)
    gram = x.T @ x if x.shape[0] > x.shape[1] else x @ x.T  # both have the same eigenvalues besides zeros
    values = torch.linalg.eigvalsh(gram / x.shape[0]).clamp(min=0)
    return float(torch.special.entr(values).sum().exp())
