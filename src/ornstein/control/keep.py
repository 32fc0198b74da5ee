"""Between steps, what may not change is put back as it would be at that time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ornstein.control.source import Source
from ornstein.process.gaussian import Path


@dataclass(frozen=True)
class Keep:
    r"""$x_s$ becomes $\alpha_s x+\sigma_s\varepsilon$ where the picture $x$ is to stay, after every step.

    Lugmayr et al. 2022 (RePaint, arXiv 2201.09865, equation 8) without its way back; $\varepsilon$ is the row's own
    noise of the start, so what stays moves on one line, as under the probability flow, and the rest can agree with it.

    Attributes:
        path: of the process.
        clean: the pictures, encoded. noise: of unit variance, that they started from.
        free: where a row may change.
    """

    path: Path
    clean: Float[Tensor, "rows *spatial channels"]
    noise: Float[Tensor, "rows *spatial channels"]
    free: Bool[Tensor, "rows *spatial 1"]

    def __call__(
        self,
        x: Float[Tensor, "active *spatial channels"],
        s: Float[Tensor, " active"],
        rows: Int[Tensor, " active"],
    ) -> Float[Tensor, "active *spatial channels"]:
        """Rows `rows` at their times `s`, with what stays put back."""
        rows = rows.to(x.device)
        at = self.path(s).like(x)
        known = (at.alpha * self.clean[rows] + at.sigma * self.noise[rows]).to(x.dtype)
        return torch.where(self.free[rows], x, known)


def free(sources: Sequence[Source | None], shape: Sequence[int]) -> Bool[Tensor, "rows *spatial 1"]:
    """Where samples of `shape` (*spatial, channels) may change; a latent may, where any of its pixels may."""
    out = torch.ones(len(sources), *shape[:-1], 1, dtype=torch.bool, device="cpu")
    for row, source in enumerate(sources):
        if source is not None and source.mask is not None:
            height, width = shape[0], shape[1]
            tall, wide = (
                length // cells for length, cells in zip(source.mask.shape, (height, width), strict=True)
            )
            cells = source.mask.reshape(height, tall, width, wide).any((1, 3))
            out[row, ..., 0] = torch.from_numpy(np.ascontiguousarray(cells))
    return out
