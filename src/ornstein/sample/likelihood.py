r"""How likely is a sample? Followed to its noise, the probability flow tells, by the volume it gains on the way.

A sample at a time is carried to noise, whose density is known. Density times volume stays the same (Chen et al. 2018,
arXiv 1806.07366, theorem 1; Song et al. 2021, arXiv 2011.13456, section 4.3), so

$$\log p(x_t)=\log p(x_1)+\log\left|\det\frac{\partial x_1}{\partial x_t}\right|.$$

For data of unit variance the second term is $d\log(\text{scale}_1/\text{scale}_t)$; only how the denoiser differs
from that one is integrated, in the frame of Heun's method, as

$$-\int\frac{m^2}{\sigma}\left(\operatorname{tr}\frac{\partial\hat x}{\partial x}
-\frac{d\,\alpha}{\alpha^2+\sigma^2}\right)d\tau,\qquad m=\alpha+\sigma,\ \tau=\sigma/m.$$
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.denoise.posterior import Denoiser
from ornstein.process.gaussian import Path
from ornstein.rng import stream

BYTE = 127.5  # bytes in one unit of a picture in [-1, 1]


def log_likelihood(
    denoiser: Denoiser,
    path: Path,
    x: Float[Tensor, "rows *shape"],
    grid: Float[Tensor, " times"],
    condition: Any,
    seeds: Sequence[int],
) -> Float[Tensor, " rows"]:
    """Log density, in nats, of samples at the grid's first time; by Heun's method, of second order in the steps.

    The trace is estimated with one random direction a row and time (Hutchinson 1990): unbiased, and exact where
    elements do not depend on each other.

    Args:
        denoiser: must be differentiable in its sample.
        path: what the samples' noise follows.
        x: samples at time ``grid[0]``.
        grid: rising times, from near data, where the flow still has a volume, to pure noise.
        condition: given to the denoiser.
        seeds: of the directions, one a row.

    Raises:
        ValueError: a grid that does not rise, or starts in clean data.
    """
    if not (grid.diff() > 0).all() or not path(grid[:1]).sigma > 0:
        raise ValueError("the grid must rise, from a time that has some noise")
    numbers, dimensions = path(grid), x[0].numel()
    sizes = numbers.alpha + numbers.sigma
    change = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    for k in range(1, len(grid)):
        here = _slopes(denoiser, path, x, grid[k - 1], condition, seeds, k - 1)
        way = numbers.sigma[k] / sizes[k] - numbers.sigma[k - 1] / sizes[k - 1]
        guess = sizes[k] * (x / sizes[k - 1] + way * here[0])
        there = _slopes(denoiser, path, guess, grid[k], condition, seeds, k)
        x = sizes[k] * (x / sizes[k - 1] + way * (here[0] + there[0]) / 2)
        change = change + way * (here[1] + there[1]) / 2
    noise = numbers.scale[-1]
    whole = (x / noise).square().flatten(1).sum(1) / 2 + dimensions * (
        math.log(2 * math.pi) / 2 + noise.log()
    )
    return change - whole + dimensions * (noise / numbers.scale[0]).log()


def _slopes(
    denoiser: Denoiser,
    path: Path,
    x: Float[Tensor, "rows *shape"],
    t: Float[Tensor, ""],
    condition: Any,
    seeds: Sequence[int],
    draw: int,
) -> tuple[Float[Tensor, "rows *shape"], Float[Tensor, " rows"]]:
    """Noise minus data, and how fast volume grows beyond that of data of unit variance."""
    c, dimensions = path(t), x[0].numel()
    direction = _signs(x, seeds, draw)
    with torch.enable_grad():
        asked = x.detach().requires_grad_()
        mean = denoiser(asked, t.expand(len(x)).to(x.dtype), condition).mean
        assert isinstance(mean, Tensor)
        (along,) = torch.autograd.grad((mean * direction).sum(), asked)
    mean, size = mean.detach(), c.alpha + c.sigma
    trace = (along * direction).flatten(1).sum(1)
    beyond = trace - dimensions * c.alpha / (c.alpha**2 + c.sigma**2)
    return (x - c.alpha * mean) / c.sigma - mean, -(size**2 / c.sigma) * beyond


def _signs(
    like: Float[Tensor, "rows *shape"], seeds: Sequence[int], draw: int
) -> Float[Tensor, "rows *shape"]:
    """Random signs, each row's from its own seed."""
    rows = [2 * stream("likelihood", seed, draw).integers(0, 2, tuple(like.shape[1:])) - 1 for seed in seeds]
    return torch.as_tensor(np.stack(rows)).to(like)


def bits_per_dimension(
    nats: Float[Tensor, " rows"], dimensions: int, deviation: float
) -> Float[Tensor, " rows"]:
    """Bits for each byte of a picture, from the log density of its encoding with noise of a byte's width.

    Args:
        nats: log densities.
        dimensions: bytes of a picture.
        deviation: that the codec divides by.
    """
    return -nats / (dimensions * math.log(2)) + math.log2(BYTE * deviation)
