r"""The variational autoencoder (Kingma & Welling 2013, arXiv 1312.6114) with a learned variance.

Minimised is, a number of the picture,

$$\tfrac12\Bigl(\log 2\pi\sigma^2+\frac{\lVert x-\hat x\rVert^2}{d\,\sigma^2}\Bigr)
+\frac{\beta}{d}\operatorname{KL}\bigl(q(z\mid x)\,\Vert\,N(0,1)\bigr),$$

with one variance for all pixels, which is always at its optimum, the mean squared error (Rybkin et al. 2021,
arXiv 2006.13202, section 3.2): no weight between the terms is left to choose. $\beta$ rises from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ornstein.net.tokens import patchify, unpatchify
from ornstein.process.noise import row_noise
from ornstein.recipes.recipe import Recipe

from .family import PLAIN, Descent, Family, Settings, normal
from .networks import ask_once, new_network, picture_shape

LATENTS, OTHERS = 8, (4, 16, 32)  # numbers of a picture; ``--tune`` tries the others at one rate only
WARM_UP = 0.2  # share of the run over which the KL term comes in


class Encoder(nn.Module):
    """Network, then a linear map of its output: pictures (B, H, W, C) to mean and log-variance, each (B, latents)."""

    def __init__(self, recipe: Recipe, latents: int) -> None:
        super().__init__()
        self.network = new_network(recipe)
        self.patch = recipe.network.multiple
        self.into = nn.Linear(math.prod(picture_shape(recipe)), 2 * latents)
        nn.init.zeros_(self.into.bias)  # with the network's head at zero: the posterior starts as the prior

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        tokens = patchify(ask_once(self.network, x), self.patch)
        mean, log_variance = self.into(tokens.flatten(1)).chunk(2, dim=1)
        return mean, log_variance


class Decoder(nn.Module):
    """A linear map, whose output stands where the noisy picture would, then the network: (B, latents) to pictures."""

    def __init__(self, recipe: Recipe, latents: int) -> None:
        super().__init__()
        self.size, self.patch = recipe.sampling.size, recipe.network.multiple
        self.out = nn.Linear(latents, math.prod(picture_shape(recipe)))
        self.network = new_network(recipe)

    def forward(self, z: Tensor) -> Tensor:
        tokens = self.out(z).unflatten(1, ((self.size // self.patch) ** 2, -1))
        return ask_once(self.network, unpatchify(tokens, self.patch, (self.size, self.size)))


class Vae(Family):
    """Learns to put pictures into few Gaussian numbers and back; draws the means of pictures of random numbers."""

    name = "VAE"
    chosen = Settings(rate=3e-3, muon=True, latents=LATENTS)
    candidates = (
        *(replace(plain, latents=LATENTS) for plain in PLAIN),
        *(Settings(rate=1e-3, latents=latents) for latents in OTHERS),
    )

    def build(self) -> None:
        assert self.settings.latents is not None
        self.latents = self.settings.latents
        self.generator, self.helper = Decoder(self.recipe, self.latents), Encoder(self.recipe, self.latents)
        self.descent = Descent(self.generator, self.helper, settings=self.settings)

    def step(self, x: Tensor, random: np.random.Generator, done: float) -> dict[str, float]:
        assert self.helper is not None
        mean, log_variance = self.helper(x)
        z = mean + (log_variance / 2).exp() * normal(random, *mean.shape)
        error = (self.generator(z) - x).square().mean()
        nats = gaussian_nats(error, error.detach())
        divergence = kl_from_prior(mean, log_variance).mean()
        loss = nats + min(1.0, done / WARM_UP) * divergence / x[0].numel()
        return {
            "loss": self.descent(loss, done), "error": float(error.detach()), "kl": float(divergence.detach())
        }  # fmt: skip

    @torch.inference_mode()
    def draw(self, seeds: Sequence[int]) -> Tensor:
        """As in ``Family``: the decoder's means, without the noise of its variance."""
        noise = row_noise(seeds, 0, torch.empty(len(seeds), self.latents))
        return self.generator(noise)


def gaussian_nats(error: Tensor, variance: Tensor) -> Tensor:
    """Negative log-likelihood of a number whose squared error is `error` on average; least where both are equal."""
    return 0.5 * (math.log(2 * math.pi) + variance.log() + error / variance)


def kl_from_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence (B,) of diagonal Gaussians (B, D) from the standard normal, in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
