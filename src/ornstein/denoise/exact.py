r"""Closed-form denoisers of Gaussians, mixtures and lists: the oracles every law and order is tested against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ornstein.denoise.posterior import Posterior
from ornstein.process.fields import Sample, Time
from ornstein.process.gaussian import Path
from ornstein.process.masked import IMPOSSIBLE, MASK


@dataclass(frozen=True)
class GaussianDenoiser:
    r"""The exact denoiser of data $x\sim N(m, d^2)$, element by element.

    $E[x\mid x_t]=m+\dfrac{\alpha d^2}{\alpha^2d^2+\sigma^2}(x_t-\alpha m)$.

    Attributes:
        path: how the data is destroyed.
        mean, deviation: broadcastable to the sample.
    """

    path: Path
    mean: Float[Tensor, "*#shape"]
    deviation: Float[Tensor, "*#shape"]

    def __call__(self, x_t: Sample, t: Time, condition: Any = None) -> Posterior:
        assert isinstance(x_t, Tensor)
        assert isinstance(t, Tensor)
        c = self.path(t).like(x_t)
        variance = self.deviation**2
        gain = c.alpha * variance / (c.alpha**2 * variance + c.sigma**2)
        return Posterior(self.mean + gain * (x_t - c.alpha * self.mean))

    def solution(
        self, x_t: Float[Tensor, "*shape"], t: Float[Tensor, "*time"], s: Float[Tensor, "*time"]
    ) -> Float[Tensor, "*shape"]:
        """The exact probability-flow map from time `t` to time `s`: a Gaussian is carried quantile to quantile."""
        here, there = self.path(t).like(x_t), self.path(s).like(x_t)
        spread_t = torch.sqrt(here.alpha**2 * self.deviation**2 + here.sigma**2)
        spread_s = torch.sqrt(there.alpha**2 * self.deviation**2 + there.sigma**2)
        return there.alpha * self.mean + spread_s / spread_t * (x_t - here.alpha * self.mean)


@dataclass(frozen=True)
class MixtureDenoiser:
    r"""The exact denoiser of a mixture of isotropic Gaussians, $\sum_k w_k N(m_k, d_k^2 I)$.

    Attributes:
        path: how the data is destroyed.
        means, deviations: of the K parts, in D dimensions. log_weights: normalised or not.
    """

    path: Path
    means: Float[Tensor, "parts width"]
    deviations: Float[Tensor, " parts"]
    log_weights: Float[Tensor, " parts"]

    def __call__(self, x_t: Sample, t: Time, condition: Any = None) -> Posterior:
        """`x_t` is (B, D) and `t` (B,) or (B, D)."""
        assert isinstance(x_t, Tensor)
        assert isinstance(t, Tensor)
        log_weights, component = self.parts(x_t, t)
        return Posterior((torch.softmax(log_weights, dim=-1)[..., None] * component).sum(1))

    def parts(
        self, x_t: Float[Tensor, "rows width"], t: Float[Tensor, "..."]
    ) -> tuple[Float[Tensor, "rows parts"], Float[Tensor, "rows parts width"]]:
        """How likely each part is, as logits, and the posterior mean if it is that one; `t` is (B,) or (B, D)."""
        c = self.path(t).like(x_t)
        alpha, sigma = c.alpha[:, None], c.sigma[:, None]  # (B, 1, 1 or D)
        means, variances = self.means[None], (self.deviations**2)[None, :, None]  # (1, K, D), (1, K, 1)
        residual = x_t[:, None] - alpha * means  # (B, K, D)
        total = (alpha**2 * variances + sigma**2).expand_as(residual)
        quadratic = (residual**2 / total + total.log()).sum(-1)  # (B, K)
        return self.log_weights - quadratic / 2, means + alpha * variances / total * residual


@dataclass(frozen=True)
class EnumeratedDenoiser:
    r"""The exact denoiser of categories whose joint law is a list of cases.

    $p(x_i=k\mid x_t)\propto\sum_n p_n\,[x_n\text{ agrees with }x_t]\,[x_{ni}=k]$: when an element was hidden says
    nothing of what it is, so the time does not enter.

    Attributes:
        values: every row that can be, as category numbers.
        log_weights: of the rows; normalised or not.
        categories: K.
    """

    values: Int[Tensor, "cases length"]
    log_weights: Float[Tensor, " cases"]
    categories: int

    def __call__(self, x_t: Sample, t: Time, condition: Any = None) -> Posterior:
        """`x_t` is (B, L); logits are the log-probabilities, in the dtype of the weights."""
        assert isinstance(x_t, Tensor)
        return Posterior(
            _marginals(fitting(x_t, self.values) + self.log_weights, self.values, self.categories)
        )


@dataclass(frozen=True)
class JointDenoiser:
    r"""The exact denoiser of a mixture whose parts have a Gaussian of numbers and a row of categories each.

    Numbers and categories tell of each other through which part it was: its posterior is proportional to the product
    of what either field says.

    Attributes:
        numbers: the mixture of the field "numbers".
        values: the categories of the field "kinds" in each part.
        categories: K.
    """

    numbers: MixtureDenoiser
    values: Int[Tensor, "parts length"]
    categories: int

    def __call__(self, x_t: Sample, t: Time, condition: Any = None) -> Posterior:
        """`x_t` holds "numbers" (B, D) and "kinds" (B, L); `t` is that of both, or of each."""
        assert not isinstance(x_t, Tensor)
        time = t if isinstance(t, Tensor) else t["numbers"]
        log_weights, component = self.numbers.parts(x_t["numbers"], time)
        log_weights = log_weights + fitting(x_t["kinds"], self.values)
        mean = (torch.softmax(log_weights, dim=-1)[..., None] * component).sum(1)
        return Posterior({"numbers": mean, "kinds": _marginals(log_weights, self.values, self.categories)})


def fitting(
    x_t: Int[Tensor, "rows length"], values: Int[Tensor, "cases length"]
) -> Float[Tensor, "rows cases"]:
    """0 where a case agrees with all that is seen of a row, ``IMPOSSIBLE`` where it does not."""
    agrees = ((x_t[:, None] == MASK) | (x_t[:, None] == values)).all(-1)
    return torch.where(agrees, 0.0, IMPOSSIBLE)


def _marginals(
    log_weights: Float[Tensor, "rows cases"], values: Int[Tensor, "cases length"], categories: int
) -> Float[Tensor, "rows length categories"]:
    """Log-probability of each element's categories under weighted cases."""
    one_hot = torch.nn.functional.one_hot(values, categories).to(log_weights)
    share = torch.einsum("bn,nlk->blk", log_weights.softmax(-1), one_hot)
    return share.log().clamp(min=IMPOSSIBLE)
