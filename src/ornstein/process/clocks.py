r"""Clocks of elements: each column of a table may be destroyed at a pace of its own, which is learned.

A warp $w_i$ turns the shared clock into an element's own time: monotone, from 0 to 1, linear between equal knots. It is
chosen so that what is lost of the element grows evenly with the clock, and no stretch of it is idle (Dieleman et al.
2022, arXiv 2211.15089, section 3.3; by column of a table Mueller et al. 2024, arXiv 2312.10431).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
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


@dataclass(eq=False)
class Warper:
    """Learns warps from the errors seen in training: in its own clock, what is lost of an element grows evenly.

    Errors are collected in bins of each element's own time, older ones fading; their running mean over time, made
    monotone, is how much has been lost of the element by then. The warp is its inverse.

    Attributes:
        sums: of errors, by element and bin of own time.
        counts: of observations.
        fading: share of the past that an observation of a whole batch leaves.
        plain: share of the identity in the learned law, so that no time is passed over.
    """

    sums: Float[Tensor, "elements bins"]
    counts: Float[Tensor, "elements bins"]
    fading: float = 0.999
    plain: float = 0.1

    @classmethod
    def fresh(cls, elements: int, bins: int = 32) -> Warper:
        """One that has seen nothing: its warp is the identity."""
        nothing = torch.zeros(elements, bins, dtype=torch.float64)
        return cls(nothing, nothing.clone())

    def observe(
        self,
        own: Float[Tensor, "rows elements"],
        errors: Float[Tensor, "rows elements"],
        counted: Bool[Tensor, "rows elements"] | None = None,
    ) -> None:
        """Take in one batch.

        Args:
            own: each element's own time (``Warped.own`` of the clock).
            errors: of numbers the squared error of the posterior mean; of categories nats where hidden, 0 where seen:
                ``train.objective.fields_loss`` gives both so. Not below 0.
            counted: where there was an error to see; None for everywhere.
        """
        bins = self.sums.shape[1]
        place = (own.double() * bins).long().clamp(0, bins - 1).T.to(self.sums.device)
        told = torch.ones_like(place, dtype=torch.bool) if counted is None else counted.T.to(place.device)
        weight = told.double()
        self.sums.mul_(self.fading).scatter_add_(1, place, torch.where(told, errors.T.to(weight), 0.0))
        self.counts.mul_(self.fading).scatter_add_(1, place, weight)

    def lost(self) -> Float[Tensor, "elements edges"]:
        """How much of each element is lost by its own time, rising from 0 to 1, at the edges of the bins."""
        edges = torch.linspace(0, 1, self.sums.shape[1] + 1, dtype=torch.float64, device=self.sums.device)
        middles = (edges[1:] + edges[:-1]) / 2
        rows = [_rising(middles, edges, *pair) for pair in zip(self.sums, self.counts, strict=True)]
        return self.plain * edges + (1 - self.plain) * torch.stack(rows)

    def warp(self, knots: int = 33) -> Float[Tensor, "elements {knots}"]:
        """The inverse of ``lost``, at equal knots of the clock; float32."""
        lost = self.lost()
        edges = torch.linspace(0, 1, lost.shape[1], dtype=torch.float64, device=lost.device)
        clock = torch.linspace(0, 1, knots, dtype=torch.float64, device=lost.device)
        return torch.stack([_interpolated(clock, row, edges) for row in lost]).float()

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {"sums": self.sums, "counts": self.counts}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up what ``state`` gave."""
        self.sums.copy_(state["sums"])
        self.counts.copy_(state["counts"])


def _rising(
    middles: Float[Tensor, " bins"],
    edges: Float[Tensor, " edges"],
    sums: Float[Tensor, " bins"],
    counts: Float[Tensor, " bins"],
) -> Float[Tensor, " edges"]:
    """Mean errors as a law on [0, 1]: nothing is lost at 0; the identity where nothing was seen or nothing is lost."""
    seen = counts > 0
    if not bool(seen.any()):
        return edges
    mean = sums[seen] / counts[seen]
    # noise makes the means go down here and there: the middle between the rising curves above and below them
    above, below = mean.cummax(0).values, mean.flip(0).cummin(0).values.flip(0)
    zero, one = edges[:1], edges[-1:]
    error = torch.cat([zero, (above + below) / 2])
    time = torch.cat([zero, middles[seen]])
    # beyond the last bin's middle the curve goes on as it came
    slope = (error[-1] - error[-2]) / (time[-1] - time[-2])
    last = error[-1:] + slope * (1 - time[-1:])
    if not float(last) > 0:
        return edges
    return _interpolated(edges, torch.cat([time, one]), torch.cat([error, last])) / last


def _interpolated(
    at: Float[Tensor, " points"], x: Float[Tensor, " knots"], y: Float[Tensor, " knots"]
) -> Float[Tensor, " points"]:
    """The line through rising `x` and their `y`, at points between the first and the last of them."""
    after = torch.searchsorted(x, at).clamp(1, len(x) - 1)
    start, end = x[after - 1], x[after]
    share = torch.where(end > start, (at - start) / (end - start), 0.0)
    return torch.lerp(y[after - 1], y[after], share.clamp(0, 1))
