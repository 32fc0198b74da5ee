r"""How categories are destroyed: the masked process.

Each element of a categorical field is hidden at a random moment, by itself, and stays hidden:

$$q(x_t\mid x)=\alpha(t)\,\delta_x+(1-\alpha(t))\,\delta_{\mathrm{MASK}},\qquad t\in[0,1],$$

so $\alpha(t)$ is the chance that an element is still seen (Austin et al. 2021, arXiv 2107.03006, the absorbing matrix;
in continuous time Sahoo et al. 2024, arXiv 2406.07524, and Shi et al. 2024, arXiv 2406.04329). A sample is an integer
tensor of category numbers from 0; ``MASK`` stands for what is hidden, however many categories there are.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ornstein.config import Config
from ornstein.process.gaussian import Coefficients, Path

MASK = -1
"""The number of a hidden element, and of one that the data does not tell."""

IMPOSSIBLE = -1e9
"""The logit of what cannot be: finite, so that guidance may add and subtract logits; its exponential is exactly 0."""


class Masked(Config):
    r"""The masked path: $\sigma=1-\alpha$ is the chance that an element is hidden.

    Attributes:
        schedule: "linear", $\alpha=1-t$; "cosine", $\alpha=1-\sin(\pi t/2)$ (Chang et al. 2022, arXiv 2202.04200),
            which hides most of the elements early. The bound on likelihood is the same under both; where a sampler's
            steps fall is not.
    """

    kind: Literal["masked"] = "masked"
    schedule: Literal["linear", "cosine"] = "linear"

    def __call__(self, t: Float[Tensor, "*time"]) -> Coefficients:
        hidden = t if self.schedule == "linear" else torch.sin(t * (math.pi / 2))
        return Coefficients(1 - hidden, hidden)  # exact at both ends: what is given is never hidden

    def slope(self, t: Float[Tensor, "*time"]) -> Float[Tensor, "*time"]:
        r"""$\alpha'(t)\le0$."""
        if self.schedule == "linear":
            return -torch.ones_like(t)
        return torch.cos(t * (math.pi / 2)) * (-math.pi / 2)

    def weight(self, t: Float[Tensor, "*time"]) -> Float[Tensor, "*time"]:
        r"""$-\alpha'/(1-\alpha)$, how fast hidden elements come to be seen: $1/t$ of the linear schedule.

        It weighs cross-entropy so that its mean over uniform times is the evidence bound (Sahoo et al. 2024,
        arXiv 2406.07524, eq. 10). Infinite at t = 0, where nothing is hidden.
        """
        return -self.slope(t) / self(t).sigma

    def time(self, logsnr: Float[Tensor, "*level"]) -> Float[Tensor, "*level"]:
        hidden = torch.sigmoid(-logsnr / 2)
        return hidden if self.schedule == "linear" else torch.asin(hidden) * (2 / math.pi)

    def mix(
        self, x: Int[Tensor, "*shape"], noise: Float[Tensor, "*shape"], c: Coefficients
    ) -> Int[Tensor, "*shape"]:
        r"""Hide each element whose uniform is not below $\alpha$; exact at both ends."""
        return torch.where(noise < c.alpha, x, MASK)


def certain(x: Int[Tensor, "*shape"], logits: Float[Tensor, "*shape k"]) -> Float[Tensor, "*shape k"]:
    """Logits of clean values: those given where `x` is hidden, and all weight on `x` where it is seen.

    What is -inf becomes ``IMPOSSIBLE``.
    """
    logits = logits.clamp(min=IMPOSSIBLE)
    seen = x != MASK
    known = logits.new_full((int(seen.sum()), logits.shape[-1]), IMPOSSIBLE)
    logits[seen] = known.scatter_(
        1, x[seen][:, None], 0.0
    )  # writes what is seen only: vocabularies are large
    return logits


def posterior(
    path: Path,
    x_t: Int[Tensor, "*shape"],
    t: Float[Tensor, "*time"],
    s: Float[Tensor, "*time"],
    logits: Float[Tensor, "*shape k"],
) -> Float[Tensor, "*shape k+1"]:
    r"""Log-probabilities of $x_s$ given $x_t$, for $s\le t$: of the K categories, then of ``MASK``.

    A seen element stays. A hidden one stays hidden with chance $(1-\alpha_s)/(1-\alpha_t)$, or else becomes a category
    by its posterior (Sahoo et al. 2024, arXiv 2406.07524, eq. 6).

    Args:
        path: how the categories were destroyed.
        x_t: category numbers and ``MASK``.
        t: times of `x_t`, a prefix of the sample's shape.
        s: times to go to.
        logits: of the clean values.
    """
    stay = staying(path(t).like(x_t), path(s).like(x_t)).expand(x_t.shape)[..., None].to(logits)
    hidden = torch.cat([torch.log1p(-stay) + logits.log_softmax(-1), stay.log()], -1)
    seen = torch.cat([certain(x_t, logits), torch.full_like(stay, IMPOSSIBLE)], -1)
    return torch.where((x_t == MASK)[..., None], hidden, seen)


def staying(here: Coefficients, there: Coefficients) -> Float[Tensor, "..."]:
    r"""Chance $(1-\alpha_s)/(1-\alpha_t)$ that what is hidden at $t$ is hidden at $s$; 1 where time stands still."""
    return torch.where(here.sigma == there.sigma, 1.0, there.sigma / here.sigma)
