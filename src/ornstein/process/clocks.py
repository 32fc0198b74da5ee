r"""Clocks of elements: each column of a table may be destroyed at a pace of its own, which is learned.

A warp $w_i$ turns the shared clock into an element's own time: monotone, from 0 to 1, linear between equal knots. It is
chosen so that what is lost of the element grows evenly with the clock, and no stretch of it is idle (Dieleman et al.
2022, arXiv 2211.15089, section 3.3; by column of a table Mueller et al. 2024, arXiv 2312.10431).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ornstein.process.gaussian import Coefficients, Path
from ornstein.process.masked import Masked


@dataclass(frozen=True)
class Warped:
    """A path whose elements have clocks of their own.

    Times (B,) of the shared clock give coefficients (B, elements); so do times (B, elements).

    Attributes:
        path: run by each element in its own time.
        warp: an element's times at equal knots of the clock, rising from 0 to 1.
    """

    path: Path
    warp: Float[Tensor, "elements knots"]

    def __call__(self, t: Float[Tensor, "..."]) -> Coefficients:
        return self.path(self.own(t))

    def own(self, t: Float[Tensor, "..."]) -> Float[Tensor, "rows elements"]:
        """Each element's own time at the clock `t`, (B,) or (B, elements)."""
        below, share = self._place(t)
        start, end = self._piece(below)
        return torch.lerp(start.to(t.dtype), end.to(t.dtype), share)  # exact at both ends

    def slope(self, t: Float[Tensor, "..."]) -> Float[Tensor, "rows elements"]:
        r"""$\alpha'$ by the shared clock, of a masked path."""
        assert isinstance(self.path, Masked), "only of a masked path is the slope asked for"
        start, end = self._piece(self._place(t)[0])
        return self.path.slope(self.own(t)) * (end - start).to(t.dtype) * (self.warp.shape[1] - 1)

    def weight(self, t: Float[Tensor, "..."]) -> Float[Tensor, "rows elements"]:
        r"""$-\alpha'/(1-\alpha)$ by the shared clock, as ``Masked.weight``: the bound is the same in any clock."""
        return -self.slope(t) / self(t).sigma

    def time(self, logsnr: Float[Tensor, "rows elements"]) -> Float[Tensor, "rows elements"]:
        """The shared clock at which each element has its noise level."""
        own = self.path.time(logsnr)
        knots = self.warp.to(own)
        after = torch.searchsorted(knots, own.T.contiguous()).T.clamp(1, knots.shape[1] - 1)
        start, end = (knot.to(own) for knot in self._piece(after - 1))
        share = torch.where(end > start, (own - start) / (end - start), 0.0)
        return ((after - 1 + share) / (knots.shape[1] - 1)).to(own.dtype)

    def mix(
        self, x: Shaped[Tensor, "*shape"], noise: Shaped[Tensor, "*shape"], c: Coefficients
    ) -> Shaped[Tensor, "*shape"]:
        return self.path.mix(x, noise, c)

    def _place(
        self, t: Float[Tensor, "..."]
    ) -> tuple[Shaped[Tensor, "rows elements"], Float[Tensor, "rows elements"]]:
        """The knot below each element's clock, and how far beyond it."""
        clock = t if t.ndim == 2 else t[:, None].expand(-1, len(self.warp))
        position = clock * (self.warp.shape[1] - 1)
        below = position.floor().long().clamp(0, self.warp.shape[1] - 2)
        return below, position - below

    def _piece(
        self, below: Shaped[Tensor, "rows elements"]
    ) -> tuple[Float[Tensor, "rows elements"], Float[Tensor, "rows elements"]]:
        """The warp at a knot, and at the next."""
        warp = self.warp.to(below.device)
        element = torch.arange(len(warp), device=below.device)
        return warp[element, below], warp[element, below + 1]
