r"""Grids of timesteps: the times at which published checkpoints are sampled.

Such a checkpoint counts its noise levels from 0 to N - 1, and a scheduler's config says which of them a sampler visits.
Timestep $i$ stands at $t=(i+1)/N$ of a ``DiscreteBeta`` path; of a ``Flow`` path, timestep $i$ is $t=i/N$.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from ornstein.config import Config
from ornstein.errors import UsageError
from ornstein.process.gaussian import Path


class TimestepGrid(Config):
    """The timesteps that diffusers' schedulers visit (Lin et al. 2023, arXiv 2305.08891, table 2).

    Attributes:
        spacing: "leading" counts up from 0, "trailing" down from the noisiest, "linspace" takes both ends.
        timesteps: in all, the path's own number.
        offset: added to leading timesteps.
        spare: the grid of one step more, without its cleanest timestep, as the DPM-Solver family has it.
        whole: linspace is rounded to whole timesteps.
        karras: as many levels between the same ends, by Karras et al. 2022, arXiv 2206.00364, eq. 5 (rho 7); with
            `spare` the ends are those of all timesteps.
        clean: the last step goes to clean data, else to timestep 0.
    """

    kind: Literal["timesteps"] = "timesteps"
    spacing: Literal["leading", "trailing", "linspace"] = "leading"
    timesteps: int = Field(default=1000, ge=2)
    offset: int = Field(default=0, ge=0)
    spare: bool = False
    whole: bool = True
    karras: bool = False
    clean: bool = True

    def times(self, steps: int, path: Path) -> Float[Tensor, " {steps}+1"]:
        """Return (steps + 1,) float64 times, falling to 0 or to timestep 0.

        Raises:
            UsageError: more steps than there are timesteps.
        """
        if steps + self.spare > self.timesteps:
            most = self.timesteps - self.spare
            raise UsageError(f"this model has {self.timesteps} noise levels: steps must be at most {most}")
        visited = (self._visited(steps) + 1) / self.timesteps
        if self.karras:
            visited = self._karras(visited, steps, path)
        last = 0.0 if self.clean else 1 / self.timesteps
        return torch.cat([visited, visited.new_full((1,), last)])

    def _visited(self, steps: int) -> Float[Tensor, " {steps}"]:
        """Timesteps, falling."""
        count, top = steps + self.spare, self.timesteps - 1
        if self.spacing == "leading":
            rising = torch.arange(count, dtype=torch.float64) * (self.timesteps // count)
            return (rising.flip(0)[:steps] + self.offset).clamp(max=top)
        if self.spacing == "trailing":
            falling = self.timesteps - torch.arange(steps, dtype=torch.float64) * (self.timesteps / steps)
            return falling.round() - 1
        falling = torch.linspace(top, 0, count, dtype=torch.float64)[:steps]
        return falling.round() if self.whole else falling

    def _karras(
        self, visited: Float[Tensor, " {steps}"], steps: int, path: Path
    ) -> Float[Tensor, " {steps}"]:
        ends = visited.new_tensor([1.0, 1 / self.timesteps]) if self.spare else visited[[0, -1]]
        high, low = ((-path(ends).logsnr / 2).exp() ** (1 / 7)).unbind()
        share = torch.linspace(0, 1, steps, dtype=torch.float64)
        return path.time(-14 * torch.lerp(high, low, share).log())


class DynamicShift(Config):
    r"""A shift that grows with the picture: $\mu$ is linear in the number of tokens, and $k=e^\mu$.

    Esser et al. 2024, arXiv 2403.03206, section 5.3.2, as FLUX and its kin take it.

    Attributes:
        tokens: (few, many), between which $\mu$ goes from the first to the second of `shifts`, and beyond.
        pixels: side of the square that a token stands for.
        linear: $k=\mu$ instead.
    """

    tokens: tuple[int, int] = (256, 4096)
    shifts: tuple[float, float] = (0.5, 1.15)
    pixels: int = Field(default=16, ge=1)
    linear: bool = False

    def at(self, size: int) -> float:
        """The factor for pictures whose sides are `size` pixels."""
        (few, many), (low, high) = self.tokens, self.shifts
        mu = low + (high - low) / (many - few) * ((size // self.pixels) ** 2 - few)
        return mu if self.linear else math.exp(mu)


class FlowTimestepGrid(Config):
    r"""Equal steps in flow time from 1 to `last`, shifted by $\tau'=k\tau/(1+(k-1)\tau)$, then clean data.

    Attributes:
        shift: $k$.
        last: flow time of the last evaluation, before the shift; None for 1 / steps.
        dynamic: gives $k$ for a size of picture, in place of `shift`.
    """

    kind: Literal["flow-timesteps"] = "flow-timesteps"
    shift: float = Field(default=1.0, gt=0)
    last: float | None = Field(default=None, gt=0, lt=1)
    dynamic: DynamicShift | None = None

    def at(self, size: int) -> FlowTimestepGrid:
        """The grid for pictures whose sides are `size` pixels."""
        if self.dynamic is None:
            return self
        return self.model_copy(update={"shift": self.dynamic.at(size), "dynamic": None})

    def times(self, steps: int, path: Path) -> Float[Tensor, " {steps}+1"]:
        """Return (steps + 1,) float64 times falling from 1 to exactly 0."""
        flow = torch.linspace(1, self.last or 1 / steps, steps, dtype=torch.float64)
        flow = self.shift * flow / (1 + (self.shift - 1) * flow)
        times = path.time(2 * (torch.log1p(-flow) - flow.log()))
        return torch.cat([times, times.new_zeros(1)])
