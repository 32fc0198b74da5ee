"""What the tests of categories share: a small joint law, and its samples by any method in many rows at once."""

from __future__ import annotations

import itertools

import torch
from scipy.stats import chisquare
from torch import Tensor

from ornstein.denoise.exact import EnumeratedDenoiser
from ornstein.process.masked import MASK, Masked

LENGTH, KINDS = 3, 2
VALUES = torch.tensor(list(itertools.product(range(KINDS), repeat=LENGTH)))
"""Every row of three elements of two kinds, in the order of the numbers they spell."""

LAW = torch.tensor([0.28, 0.02, 0.05, 0.1, 0.03, 0.12, 0.06, 0.34], dtype=torch.float64)
"""Of those rows: elements agree more often than not."""

JOINT = EnumeratedDenoiser(VALUES, LAW.log(), KINDS)
PATH = Masked()


def hidden(rows: int, length: int = LENGTH) -> Tensor:
    return torch.full((rows, length), MASK)


def counts(x: Tensor) -> Tensor:
    """How often each row of ``VALUES`` occurs."""
    assert (x >= 0).all()
    return torch.bincount(x @ (KINDS ** torch.arange(LENGTH - 1, -1, -1)), minlength=len(VALUES))


def pvalue(x: Tensor, law: Tensor) -> float:
    """Of the samples under a law over ``VALUES``, by chi-square."""
    return float(chisquare(counts(x)[law > 0].numpy(), len(x) * law[law > 0].numpy()).pvalue)


def stepped(method, x, grids, path=PATH, denoiser=JOINT, seed=0):
    """Rows of `x` along falling times (times, ...) shared by all, or (times, rows, ...); noise of one stream."""
    random = torch.Generator().manual_seed(seed)

    def noise():
        if isinstance(x, Tensor):
            return torch.rand(x.shape, generator=random, dtype=torch.float64)
        return {
            name: (torch.randn if field.is_floating_point() else torch.rand)(
                field.shape, generator=random, dtype=torch.float64
            )
            for name, field in x.items()
        }

    rows = len(x if isinstance(x, Tensor) else next(iter(x.values())))
    memory = method.fresh(x)
    for t, s in itertools.pairwise(grids):
        t, s = (
            time if time.ndim and len(time) == rows else time.expand(rows, *time.shape) for time in (t, s)
        )
        x, memory = method.step(lambda x, t: denoiser(x, t, None), path, x, t, s, memory, noise)
    return x
