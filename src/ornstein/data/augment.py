"""Pictures moved and scaled a little, so that few pictures teach more."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def moved(
    x: Float[Tensor, "rows side side channels"],
    random: np.random.Generator,
    move: float,
    zoom: float,
    outside: Literal["edge", "empty"],
) -> Float[Tensor, "rows side side channels"]:
    """Move and scale each picture at random.

    Never mirrored or turned: arrows, letters and flags would become others.

    Args:
        x: pictures, channels last.
        random: of the draws.
        move: largest move along each axis, as a share of the side.
        zoom: z scales by 1/(1 + z) to 1 + z.
        outside: what comes in at the border: the picture's edge goes on, or -1 (nothing, where alpha or black is -1).
    """
    count = len(x)
    theta = torch.zeros(count, 2, 3)
    scales = random.uniform(1 / (1 + zoom), 1 + zoom, count)
    theta[:, 0, 0] = theta[:, 1, 1] = torch.from_numpy(scales).float()
    theta[:, :, 2] = torch.from_numpy(random.uniform(-2 * move, 2 * move, (count, 2))).float()
    channels_first = x.movedim(-1, 1)
    grid = F.affine_grid(theta, list(channels_first.shape), align_corners=False)
    if outside == "edge":
        made = F.grid_sample(channels_first, grid, align_corners=False, padding_mode="border")
    else:
        made = F.grid_sample(channels_first + 1, grid, align_corners=False) - 1
    return made.movedim(1, -1)
