"""Lay a picture over another: the affine map under which the two agree best.

Lucas & Kanade's steps in the inverse compositional form (Baker & Matthews 2004, section 3.2), from coarse to fine, with
the gain and offset of light as two more unknowns. Pixels that do not fit weigh little, so that a covered part does not
pull the rest away.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Pictures = Float[Tensor, "pairs channels side side"]
Maps = Float[Tensor, "pairs 2 3"]

LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)  # of BT.601
LEVELS = ((4, 4), (2, 4), (1, 2))  # pixels averaged to one, along each axis; steps taken there
DAMPING = torch.tensor([0.1] * 6 + [0.005] * 2)  # of a step, by unknown: six of the map, offset and gain
LONGEST = 0.3  # step of a number of the map
FARTHEST = 2.0  # number of a map


def aligned(pictures: Pictures, others: Pictures) -> Maps:
    """The maps by which ``warped`` lays `pictures` over `others`; (N, 3, S, S) in [-1, 1], S a multiple of 4."""
    found = unmoved().repeat(len(pictures), 1, 1)
    light, target = luma(pictures), luma(others)
    for coarse, steps in LEVELS:
        moving, fixed = F.avg_pool2d(light, coarse), even(F.avg_pool2d(target, coarse))
        slopes = _slopes(fixed)
        damping = torch.diag(DAMPING * fixed.shape[-1] ** 2)
        for _ in range(steps):
            error = (even(warped(moving, found)) - fixed).flatten(1)
            weighted = slopes * trust(error)[:, None]
            step = torch.linalg.solve(
                weighted @ slopes.mT + damping, (weighted @ error[..., None]).squeeze(-1)
            )
            found = _after(found, _inverse(_unit(step)))
    return found.clamp(-FARTHEST, FARTHEST)


def warped(x: Pictures, maps: Maps) -> Pictures:
    """Pictures seen through the maps, white where they end."""
    side = x.shape[-1]
    grid = (_places(side) @ maps.mT).unflatten(1, (side, side))
    return 1 - F.grid_sample(1 - x, grid, align_corners=False)


def luma(x: Pictures) -> Pictures:
    """Light of RGB pictures, one channel."""
    return (x * LUMA).sum(1, keepdim=True)


def even(x: Pictures) -> Pictures:
    """Pictures of one light and contrast: mean 0, deviation 1, less where they are nearly empty."""
    x = x - x.mean((1, 2, 3), keepdim=True)
    return x / (x.square().mean((1, 2, 3), keepdim=True).sqrt() + 0.05)


def trust(error: Float[Tensor, "pairs pixels"]) -> Float[Tensor, "pairs pixels"]:
    """Weights from 1 down to 0 of pixels, by their error against the median one (Geman & McClure)."""
    usual = 3 * _median(error.abs()) + 0.2
    return (1 + (error / usual).square()).square().reciprocal()


@cache
def _places(side: int) -> Float[Tensor, "pixels 3"]:
    """Homogeneous coordinates of the pixels' centres, row by row; a picture spans [-1, 1]."""
    along = (torch.arange(side).float() + 0.5) * 2 / side - 1
    return torch.stack(
        [along.repeat(side), along.repeat_interleave(side), torch.ones_like(along).repeat(side)], dim=1
    )


def _slopes(x: Pictures) -> Float[Tensor, "pairs 8 pixels"]:
    """How each pixel changes with the six numbers of the map, offset and gain."""
    side = x.shape[-1]
    across = F.pad(x, (1, 1, 0, 0), mode="replicate")
    down = F.pad(x, (0, 0, 1, 1), mode="replicate")
    gx = ((across[..., 2:] - across[..., :-2]) * side / 4)[:, 0]  # a side is two units of the map
    gy = ((down[..., 2:, :] - down[..., :-2, :]) * side / 4)[:, 0]
    place = (torch.arange(side).float() + 0.5) * 2 / side - 1
    px, py = place.view(1, 1, side), place.view(1, side, 1)
    parts = [gx * px, gx * py, gx, gy * px, gy * py, gy, torch.ones_like(gx), x[:, 0]]
    return torch.stack(parts, 1).flatten(2)


def unmoved() -> Float[Tensor, "2 3"]:
    """The map that changes nothing."""
    return torch.eye(2, 3, dtype=torch.float32)


def _unit(step: Float[Tensor, "pairs 8"]) -> Maps:
    return unmoved() + step[:, :6].unflatten(1, (2, 3)).clamp(-LONGEST, LONGEST)


def _inverse(maps: Maps) -> Maps:
    """The maps back."""
    (a, b, x), (c, d, y) = (row.unbind(1) for row in maps.unbind(1))
    inverse = torch.stack([d, -b, b * y - d * x, -c, a, c * x - a * y], 1) / (a * d - b * c)[:, None]
    return inverse.unflatten(1, (2, 3))


def _after(second: Maps, first: Maps) -> Maps:
    """One map after another."""
    turned = second[:, :, :2] @ first
    turned[:, :, 2] += second[:, :, 2]
    return turned


def _median(x: Float[Tensor, "pairs pixels"]) -> Float[Tensor, "pairs 1"]:
    """The lower median; numpy finds it in vectors, in a fraction of the time."""
    middle = (x.shape[1] - 1) // 2
    return torch.from_numpy(np.partition(x.numpy(), middle, axis=1)[:, middle, None])
