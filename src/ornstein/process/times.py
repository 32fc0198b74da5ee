"""When: laws of the times a network is trained at, and grids of the times a sampler visits."""

from __future__ import annotations

import math
from typing import Annotated, Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from ornstein.config import Config
from ornstein.process.gaussian import Path
from ornstein.process.timesteps import FlowTimestepGrid, TimestepGrid


class LogitNormal(Config):
    r"""Noise level drawn so that $\operatorname{logit} t_{\mathrm{flow}}=-\mathrm{logsnr}/2\sim N(m, s^2)$.

    A law over noise levels, so it means the same on every path (Esser et al. 2024, arXiv 2403.03206, eq. 19).
    A positive mean leans toward noise.
    """

    kind: Literal["logit-normal"] = "logit-normal"
    mean: float = 0.0
    deviation: float = Field(default=1.0, gt=0)

    def draw(self, random: np.random.Generator, count: int, path: Path) -> Float[Tensor, " count"]:
        """Return (count,) float32 times of `path`, stratified so that a batch covers the law evenly."""
        uniform = _stratified(random, count)
        normal = cast(Tensor, torch.special.ndtri(uniform))  # pyright: ignore[reportUnknownMemberType]
        return path.time(-2 * (self.mean + self.deviation * normal)).float()


class UniformTime(Config):
    """Times uniform on [0, 1] in the path's own clock."""

    kind: Literal["uniform"] = "uniform"

    def draw(self, random: np.random.Generator, count: int, path: Path) -> Float[Tensor, " count"]:
        """Return (count,) float32 times, stratified."""
        return _stratified(random, count).float()


TimeLaw = Annotated[LogitNormal | UniformTime, Field(discriminator="kind")]


def _stratified(random: np.random.Generator, count: int) -> Float[Tensor, " count"]:
    """(count,) float64 in (0, 1): one draw in each of `count` equal cells, in random order.

    Marginally each is uniform; together they estimate a mean over t with less variance.
    """
    cells = (random.permutation(count) + random.random(count)) / count
    return torch.as_tensor(cells).clamp(1e-6, 1 - 1e-6)


class UniformGrid(Config):
    """Equal steps in the path's own clock, from 1 to 0."""

    kind: Literal["uniform"] = "uniform"

    def times(self, steps: int, path: Path) -> Float[Tensor, " {steps}+1"]:
        """Return (steps + 1,) float64 times falling from 1 to exactly 0."""
        return torch.linspace(1, 0, steps + 1, dtype=torch.float64)


class LogsnrGrid(Config):
    """Equal steps in logsnr between two finite ends, then a last step to clean data.

    Starts at the path's own noisiest level where that has less noise than `logsnr_min`.
    """

    kind: Literal["logsnr"] = "logsnr"
    logsnr_min: float = -9.0
    logsnr_max: float = 8.0

    @model_validator(mode="after")
    def _ordered(self) -> LogsnrGrid:
        if self.logsnr_max <= self.logsnr_min:
            raise ValueError("logsnr_max must be larger than logsnr_min")
        return self

    def times(self, steps: int, path: Path) -> Float[Tensor, " {steps}+1"]:
        """Return (steps + 1,) float64 times falling to exactly 0."""
        start = max(self.logsnr_min, _noisiest(path))
        levels = torch.linspace(start, self.logsnr_max, steps, dtype=torch.float64)
        return _to_data(path.time(levels))


class KarrasGrid(Config):
    r"""Equal steps in $(\sigma/\alpha)^{1/\rho}$ from $\sigma_{\max}$ to $\sigma_{\min}$.

    Karras et al. 2022, arXiv 2206.00364, eq. 5; the last step goes to clean data. Starts at the path's
    own noisiest level where that has less noise than `sigma_max`.
    """

    kind: Literal["karras"] = "karras"
    sigma_min: float = Field(default=0.02, gt=0)
    sigma_max: float = Field(default=80.0, gt=0)
    rho: float = Field(default=7.0, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> KarrasGrid:
        if self.sigma_max <= self.sigma_min:
            raise ValueError("sigma_max must be larger than sigma_min")
        return self

    def times(self, steps: int, path: Path) -> Float[Tensor, " {steps}+1"]:
        """Return (steps + 1,) float64 times falling to exactly 0."""
        start = min(self.sigma_max, math.exp(-_noisiest(path) / 2))
        ends = start ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        noise_to_signal = torch.linspace(*ends, steps, dtype=torch.float64) ** self.rho
        return _to_data(path.time(-2 * noise_to_signal.log()))


class ShiftedGrid(Config):
    r"""Uniform flow time moved toward noise: $\tau' = k\tau/(1+(k-1)\tau)$, i.e. logsnr lowered by $2\log k$.

    A picture of `size` against a `base_size` keeps the same visible noise when $k$ is their ratio
    (Hoogeboom et al. 2023, arXiv 2301.11093, eq. 4; Esser et al. 2024, arXiv 2403.03206, eq. 23).
    """

    kind: Literal["shifted"] = "shifted"
    shift: float = Field(default=1.0, gt=0)

    @classmethod
    def for_resolution(cls, size: int, base_size: int) -> ShiftedGrid:
        """The shift that keeps what noise hides the same at `size` pixels as at `base_size`."""
        return cls(shift=size / base_size)

    def times(self, steps: int, path: Path) -> Float[Tensor, " {steps}+1"]:
        """Return (steps + 1,) float64 times falling from 1 to exactly 0."""
        # the flow time that the shift carries to the path's noisiest level; 1 where that is pure noise
        start = 1 / (1 + math.exp(_noisiest(path) / 2 + math.log(self.shift)))
        flow = torch.linspace(start, 0, steps + 1, dtype=torch.float64)
        times = path.time(2 * (torch.log1p(-flow) - flow.log() - math.log(self.shift)))
        times[0], times[-1] = 1.0, 0.0
        return times


TimeGrid = Annotated[
    UniformGrid | LogsnrGrid | KarrasGrid | ShiftedGrid | TimestepGrid | FlowTimestepGrid,
    Field(discriminator="kind"),
]


def _noisiest(path: Path) -> float:
    """The logsnr at t = 1; -inf for paths that end in pure noise."""
    return float(path(torch.ones(1, dtype=torch.float64)).logsnr)


def _to_data(times: Float[Tensor, " steps"]) -> Float[Tensor, " steps+1"]:
    return torch.cat([times, times.new_zeros(1)])
