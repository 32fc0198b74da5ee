r"""How data is destroyed: Gaussian paths.

Every path mixes data with standard normal noise,

$$x_t = \alpha(t)\,x + \sigma(t)\,\varepsilon,\qquad t\in[0,1],$$

with $\alpha(0)=1,\ \sigma(0)=0$ at the data end. All that matters of a path to a network is
$\mathrm{logsnr}(t) = 2\log(\alpha/\sigma)$: two paths differ only in when they visit a noise level and in
the scale of $x_t$ there (Kingma et al. 2021, arXiv 2107.00630, section 5.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from pydantic import Field, model_validator
from torch import Tensor

from ornstein.config import Config
from ornstein.process.fields import Sample, Time, fieldwise, pad


@dataclass(frozen=True, slots=True)
class Coefficients:
    """`alpha` and `sigma` at some times: the same shape as the time, and float64 if the time is."""

    alpha: Float[Tensor, "*time"]
    sigma: Float[Tensor, "*time"]

    @property
    def logsnr(self) -> Float[Tensor, "..."]:
        r"""$2\log(\alpha/\sigma)$: +inf at clean data, -inf at pure noise."""
        return 2 * (self.alpha.log() - self.sigma.log())

    @property
    def scale(self) -> Float[Tensor, "..."]:
        r"""$\sqrt{\alpha^2+\sigma^2}$: the deviation of $x_t$ when data has unit variance."""
        return torch.hypot(self.alpha, self.sigma)

    def like(self, x: Shaped[Tensor, "..."]) -> Coefficients:
        """The same coefficients with axes appended so that they broadcast against `x`."""
        return Coefficients(pad(self.alpha, x), pad(self.sigma, x))


@runtime_checkable
class Path(Protocol):
    """Anything that says how much data and how much noise is in $x_t$, mixes them, and finds the time of a level.

    Coefficients are shaped like the time; a path that gives each element a clock of its own (``clocks.Warped``) turns
    times (B,) into coefficients (B, elements).
    """

    def __call__(self, t: Float[Tensor, "*time"]) -> Coefficients: ...

    def mix(
        self, x: Shaped[Tensor, "*shape"], noise: Shaped[Tensor, "*shape"], c: Coefficients
    ) -> Shaped[Tensor, "*shape"]:
        """$x_t$ of clean data and noise, by coefficients that broadcast against them."""
        ...

    def time(self, logsnr: Float[Tensor, "*level"]) -> Float[Tensor, "*level"]:
        """The inverse of ``logsnr(t)``, in [0, 1]; accepts +-inf."""
        ...


Paths: TypeAlias = Path | Mapping[str, Path]
"""One path for all fields, or one by field."""


class Gaussian(Config):
    """What all Gaussian paths share."""

    def mix(
        self, x: Float[Tensor, "*shape"], noise: Float[Tensor, "*shape"], c: Coefficients
    ) -> Float[Tensor, "*shape"]:
        r"""$\alpha x+\sigma\varepsilon$."""
        return c.alpha * x + c.sigma * noise


class Cosine(Gaussian):
    r"""$\alpha=\cos(\pi t/2),\ \sigma=\sin(\pi t/2)$ (Nichol & Dhariwal 2021, arXiv 2102.09672, without offset)."""

    kind: Literal["cosine"] = "cosine"

    def __call__(self, t: Float[Tensor, "*time"]) -> Coefficients:
        # sin of the complement is exactly 0 at t = 1, where cos(pi/2) would leave a rounding error
        return Coefficients(torch.sin((1 - t) * (math.pi / 2)), torch.sin(t * (math.pi / 2)))

    def time(self, logsnr: Float[Tensor, "*level"]) -> Float[Tensor, "*level"]:
        return torch.atan(torch.exp(-logsnr / 2)) * (2 / math.pi)


class Flow(Gaussian):
    r"""$\alpha=1-t,\ \sigma=t$: rectified flow (Liu et al. 2022, arXiv 2209.03003; Lipman et al. 2210.02747)."""

    kind: Literal["flow"] = "flow"

    def __call__(self, t: Float[Tensor, "*time"]) -> Coefficients:
        return Coefficients(1 - t, t)

    def time(self, logsnr: Float[Tensor, "*level"]) -> Float[Tensor, "*level"]:
        return torch.sigmoid(-logsnr / 2)


class LinearBeta(Gaussian):
    r"""Continuous variance-preserving path with $\beta(t)=\beta_0+t(\beta_1-\beta_0)$.

    $\log\alpha^2 = -\int_0^t\beta = -t\beta_0 - t^2(\beta_1-\beta_0)/2$ (Song et al. 2021, arXiv 2011.13456, eq. 32).
    """

    kind: Literal["linear-beta"] = "linear-beta"
    beta_min: float = Field(default=0.1, gt=0)
    beta_max: float = Field(default=20.0, gt=0)

    def __call__(self, t: Float[Tensor, "*time"]) -> Coefficients:
        return _variance_preserving(-t * self.beta_min - t * t * ((self.beta_max - self.beta_min) / 2))

    def time(self, logsnr: Float[Tensor, "*level"]) -> Float[Tensor, "*level"]:
        slope, whole = self.beta_max - self.beta_min, (self.beta_max + self.beta_min) / 2
        integral = torch.nn.functional.softplus(-logsnr).clamp(max=whole)
        # the positive root, in the form that does not cancel near t = 0
        t = 2 * integral / (self.beta_min + torch.sqrt(self.beta_min**2 + 2 * slope * integral))
        return t.clamp(0, 1)


class DiscreteBeta(Gaussian):
    r"""The discrete grid of DDPM and Stable Diffusion, exact at its own times and usable between them.

    Step $i$ of $N$ (counted from 0) stands at $t=(i+1)/N$ with $\bar\alpha_i=\prod_{j\le i}(1-\beta_j)$
    (Ho et al. 2020, arXiv 2006.11239, eq. 4). Between grid times $\log\bar\alpha$ is linear, which is the
    continuous path whose rate is constant within each step; at $t=0$ data is clean.

    Attributes:
        schedule: of the $\beta_i$: "linear", "scaled-linear" (Stable Diffusion's), or "cosine" (Nichol & Dhariwal
            2021, arXiv 2102.09672, eq. 17), which has no ends to set.
        beta_start, beta_end: the ends.
        steps: $N$.
        zero_terminal: $\sqrt{\bar\alpha}$ is moved and stretched so that the last step is pure noise (Lin et al. 2023,
            arXiv 2305.08891, algorithm 1); within that step it is $\alpha$ that is linear.
    """

    kind: Literal["discrete-beta"] = "discrete-beta"
    schedule: Literal["linear", "scaled-linear", "cosine"] = "linear"
    beta_start: float = Field(default=1e-4, gt=0, lt=1)
    beta_end: float = Field(default=0.02, gt=0, lt=1)
    steps: int = Field(default=1000, ge=2)
    zero_terminal: bool = False

    @cached_property
    def _log_alpha_bar(self) -> Tensor:
        log_alpha_bar = torch.log1p(-self._betas).cumsum(0)
        if self.zero_terminal:
            alpha = (log_alpha_bar / 2).exp()
            alpha = (alpha - alpha[-1]) * (alpha[0] / (alpha[0] - alpha[-1]))
            log_alpha_bar = 2 * alpha.log()
        return torch.cat([log_alpha_bar.new_zeros(1), log_alpha_bar])

    @property
    def _betas(self) -> Tensor:
        if self.schedule == "cosine":
            share = torch.linspace(0, 1, self.steps + 1, dtype=torch.float64)
            alpha_bar = torch.cos((share + 0.008) / 1.008 * (math.pi / 2)) ** 2
            return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)
        power = 1.0 if self.schedule == "linear" else 0.5  # Stable Diffusion is linear in sqrt(beta)
        ends = self.beta_start**power, self.beta_end**power
        return torch.linspace(*ends, self.steps, dtype=torch.float64) ** (1 / power)

    def __call__(self, t: Float[Tensor, "*time"]) -> Coefficients:
        table = self._log_alpha_bar.to(t.device)
        position = t.double().clamp(0, 1) * self.steps
        below = position.floor().long().clamp(max=self.steps - 1)
        start, end, part = table[below], table[below + 1], position - below
        to_noise = start + 2 * torch.log1p(-part)
        log_alpha_bar = torch.where(end.isinf(), to_noise, torch.lerp(start, end, part))
        return _variance_preserving(log_alpha_bar.to(t.dtype))

    def time(self, logsnr: Float[Tensor, "*level"]) -> Float[Tensor, "*level"]:
        wanted = -torch.nn.functional.softplus(-logsnr.double())
        table = self._log_alpha_bar.to(logsnr.device)
        above = torch.searchsorted(-table, -wanted).clamp(1, self.steps)
        start, end = table[above - 1], table[above]
        to_noise = -torch.expm1((wanted - start) / 2)
        part = torch.where(end.isinf(), to_noise, (wanted - start) / (end - start))
        return ((above - 1 + part) / self.steps).clamp(0, 1).to(logsnr.dtype)


class VarianceExploding(Gaussian):
    r"""$\alpha=1,\ \sigma^2=\sigma_{\min}^2\left((\sigma_{\max}/\sigma_{\min})^{2t}-1\right)$.

    The exact marginal of the variance-exploding equation started from clean data
    (Song et al. 2021, arXiv 2011.13456, eq. 30: the marginal variance is $\sigma^2(t)-\sigma^2(0)$).
    """

    kind: Literal["variance-exploding"] = "variance-exploding"
    sigma_min: float = Field(default=0.01, gt=0)
    sigma_max: float = Field(default=80.0, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> VarianceExploding:
        if self.sigma_max <= self.sigma_min:
            raise ValueError("sigma_max must be larger than sigma_min")
        return self

    @property
    def _log_ratio(self) -> float:
        return 2 * math.log(self.sigma_max / self.sigma_min)

    def __call__(self, t: Float[Tensor, "*time"]) -> Coefficients:
        return Coefficients(torch.ones_like(t), self.sigma_min * torch.expm1(t * self._log_ratio).sqrt())

    def time(self, logsnr: Float[Tensor, "*level"]) -> Float[Tensor, "*level"]:
        return (torch.log1p(torch.exp(-logsnr) / self.sigma_min**2) / self._log_ratio).clamp(0, 1)


GaussianPath = Annotated[
    Cosine | Flow | LinearBeta | DiscreteBeta | VarianceExploding, Field(discriminator="kind")
]
"""Every path a recipe can name, told apart by its `kind`."""


def _variance_preserving(log_alpha_bar: Tensor) -> Coefficients:
    # expm1 keeps sigma accurate near t = 0, where 1 - alpha^2 would cancel
    return Coefficients((log_alpha_bar / 2).exp(), (-torch.expm1(log_alpha_bar)).clamp(min=0).sqrt())


def coefficients(path: Paths, t: Time) -> Coefficients | Mapping[str, Coefficients]:
    """Coefficients of one path, or of each field's own path (then `t` may be shared or given by field)."""
    if isinstance(path, Mapping):
        return {name: p(t[name] if isinstance(t, Mapping) else t) for name, p in path.items()}
    if isinstance(t, Mapping):
        return {name: path(time) for name, time in t.items()}
    return path(t)


def corrupt(path: Paths, x: Sample, t: Time, noise: Sample) -> Sample:
    r"""Draw $x_t$: each path mixes data and noise of its own kind.

    Args:
        path: one path for all fields, or one by field.
        x: clean sample, any shape (B, ...).
        t: times, a prefix of the sample's shape; one for each field or shared.
        noise: as ``noise.row_noise`` draws it: standard normal for numbers, uniform for categories, shaped like `x`.
    """
    return fieldwise(_mixed, x, noise, path, coefficients(path, t))


def _mixed(
    x: Shaped[Tensor, "*shape"], noise: Shaped[Tensor, "*shape"], path: Path, c: Coefficients
) -> Shaped[Tensor, "*shape"]:
    return path.mix(x, noise, c.like(x))
