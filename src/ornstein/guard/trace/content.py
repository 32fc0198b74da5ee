"""Cut pictures to what they show: the ground goes, and what stands on it fills the frame.

Most of what is done to a copied drawing, another ground, a shift, a border, is undone here, so that the descriptor need
not learn to see through it. A picture that fills its frame, such as a photograph, stays as it is.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

Pictures = Float[Tensor, "rows 3 side side"]
Mask = Bool[Tensor, "rows side side"]

TOLERANCE = (
    0.12  # difference from the ground, of 0 to 1 in the channel that differs most, that is still ground
)
EVEN = 0.6  # share of the frame's pixels that must be ground for there to be one
FEWEST = 2  # pixels of content that a row or a column of it has


def content(x: Pictures) -> Pictures:
    """Pictures in [0, 1] before white, their content enlarged to the frame and centred."""
    ground = _border(x).median(dim=2).values[..., None, None]
    smooth = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    bare = (smooth - ground).abs().amax(1) < TOLERANCE
    even = _border(bare[:, None].float()).mean((1, 2)) >= EVEN
    outside = _reached(bare) & even[:, None, None]
    edge = F.max_pool2d(outside[:, None].float(), 3, stride=1, padding=1) > 0  # where ground and content mix
    return _enlarged(torch.where(edge, torch.ones_like(x), x), ~outside)


def _border(x: Float[Tensor, "rows channels side side"]) -> Float[Tensor, "rows channels frame"]:
    """The outermost pixels."""
    return torch.cat([x[:, :, 0], x[:, :, -1], x[:, :, 1:-1, 0], x[:, :, 1:-1, -1]], dim=2)


def _reached(bare: Mask) -> Mask:
    """Ground that is seen from a side along a row or a column; what lies within the content is content."""
    here = bare.int()
    seen = [here.cumprod(axis) for axis in (1, 2)]
    seen += [here.flip(axis).cumprod(axis).flip(axis) for axis in (1, 2)]
    return torch.stack(seen).amax(0).bool()


def _enlarged(x: Pictures, shown: Mask) -> Pictures:
    """The square around each picture's content; the whole picture where there is none."""
    side = x.shape[-1]
    tops, bottoms = _extent(shown.sum(2) >= FEWEST)
    lefts, rights = _extent(shown.sum(1) >= FEWEST)
    reach = torch.maximum(bottoms - tops, rights - lefts).float()
    theta = x.new_zeros(len(x), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = reach / side
    theta[:, 0, 2], theta[:, 1, 2] = (lefts + rights) / side - 1, (tops + bottoms) / side - 1
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return 1 - F.grid_sample(1 - x, grid, align_corners=False)


def _extent(has: Bool[Tensor, "rows side"]) -> tuple[Tensor, Tensor]:
    """First place and one past the last, of each row's true ones; everything where there is none."""
    side = has.shape[1]
    some, places = has.any(1), torch.arange(side)
    first = torch.where(has, places, side).amin(1)
    last = torch.where(has, places + 1, 0).amax(1)
    return torch.where(some, first, 0), torch.where(some, last, side)
