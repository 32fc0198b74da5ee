r"""The generative adversarial network with the loss of R3GAN (Huang et al. 2024, arXiv 2501.05441, section 2).

Each real picture is paired with a generated one, and the two networks contend over
$f(D(\text{generated})-D(\text{real}))$ with $f=\operatorname{softplus}$ (the relativistic pairing of
Jolicoeur-Martineau 2018, arXiv 1807.00734). The discriminator also pays $\tfrac{\gamma}{2}\lVert\nabla D\rVert^2$ on
real pictures (R1, Mescheder et al. 2018, arXiv 1801.04406) and on generated ones (R2), which together make it converge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ornstein.process.noise import row_noise

from .family import PLAIN, Descent, Family, Settings, normal
from .networks import ask_once, new_network, open_gates, picture_shape

BETAS = (0.0, 0.99)  # of Adam: the two networks chase each other, and momentum makes them circle
GAMMA = 10.0  # weight of the penalties
OTHERS = (1.0, 100.0)  # that ``--tune`` tries, too, at one rate
GATE = 0.5


class Gan(Family):
    """Learns to make noise pictures that a second network cannot tell from real ones; draws in one evaluation."""

    name = "GAN"
    batch = 32  # a picture costs six times what it costs the diffusion model: half the batch, twice the steps
    chosen = Settings(rate=1e-3, gamma=GAMMA)
    candidates = (
        *(replace(plain, gamma=GAMMA) for plain in PLAIN),
        *(Settings(rate=1e-3, gamma=gamma) for gamma in OTHERS),
    )

    def build(self) -> None:
        self.generator, self.helper = new_network(self.recipe), new_network(self.recipe)
        for network in (self.generator, self.helper):
            open_gates(network, GATE)
        self.generating = Descent(self.generator, settings=self.settings, betas=BETAS)
        self.discriminating = Descent(self.helper, settings=self.settings, betas=BETAS)

    def step(self, x: Tensor, random: np.random.Generator, done: float) -> dict[str, float]:
        assert self.settings.gamma is not None
        fake = ask_once(self.generator, normal(random, *x.shape))
        apart = discriminator_loss(self.score, x, fake.detach(), self.settings.gamma)
        self.discriminating(apart.pairing + apart.penalty, done)
        with torch.no_grad():
            real_score = self.score(x)
        together = self.generating(pairing_loss(self.score(fake), real_score), done)
        return {
            "generator": together, "discriminator": float(apart.pairing.detach()),
            "penalty": float(apart.penalty.detach()),
        }  # fmt: skip

    def score(self, x: Tensor) -> Tensor:
        """How real pictures (B, H, W, C) look, (B,): a linear head of each token, averaged over tokens."""
        assert self.helper is not None
        return ask_once(self.helper, x).flatten(1).mean(1)

    @torch.inference_mode()
    def draw(self, seeds: Sequence[int]) -> Tensor:
        noise = row_noise(seeds, 0, torch.empty(len(seeds), *picture_shape(self.recipe)))
        assert isinstance(noise, Tensor)
        return ask_once(self.generator, noise)


class DiscriminatorLoss(NamedTuple):
    """Both parts of what the discriminator minimises."""

    pairing: Tensor
    penalty: Tensor


def discriminator_loss(
    score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, gamma: float
) -> DiscriminatorLoss:
    """Pairing, and half of `gamma` times the mean squared gradients on real and on generated pictures.

    Args:
        score: maps (B, ...) to (B,), each row by itself.
        real: pictures.
        fake: generated ones, as many, without a graph.
        gamma: weight of R1 and R2.
    """
    both = torch.cat([real, fake]).requires_grad_()
    scores = score(both.view_as(both))  # a view, because torch's counter of operations cannot watch a leaf
    real_score, fake_score = scores.chunk(2)
    r1, r2 = squared_slopes(scores, both).chunk(2)
    return DiscriminatorLoss(pairing_loss(real_score, fake_score), gamma / 2 * (r1.mean() + r2.mean()))


def pairing_loss(higher: Tensor, lower: Tensor) -> Tensor:
    """Mean loss of wanting the scores `higher` (B,) above `lower` (B,), pair by pair; log 2 where they are equal."""
    return F.softplus(lower - higher).mean()


def squared_slopes(scores: Tensor, pictures: Tensor) -> Tensor:
    """Squared norms (B,) of the gradient of each score by its own picture, themselves differentiable."""
    (slopes,) = torch.autograd.grad(scores.sum(), pictures, create_graph=True)
    return slopes.flatten(1).square().sum(1)
