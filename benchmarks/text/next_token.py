"""The rival: the same network, data and trainer, its mask turned causal, trained to say the next token."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ornstein.net.cache import Cache
from ornstein.net.sequence import SequenceNetwork, at_most
from ornstein.recipes.recipe import Stage
from ornstein.sample.masked import draw
from ornstein.train.task import Losses
from ornstein.train.texts import TextBatch, TextTask


class NextTokenTask(TextTask):
    """A ``Task``: each token from those before it."""

    def losses(self, network: Callable[..., Tensor], batch: TextBatch) -> Losses:
        # the trainer hands over the network as it is called; here its logits are asked for by another way in
        with torch.autocast("cpu", torch.bfloat16):
            logits = next_logits(self.model.network, batch.x)
        nats = F.cross_entropy(logits.float().transpose(1, 2), batch.x[:, 1:], reduction="none").mean(1)
        return Losses(nats, nats.detach(), torch.zeros_like(nats))

    def flops(self, stage: Stage) -> float:
        return super().flops(stage) / 2  # each token passes once

    def sample(self, model: object, stage: Stage) -> None:
        """Nothing is shown on the way."""


def next_logits(network: SequenceNetwork, x: Tensor) -> Tensor:
    """(B, L - 1, K) logits of the tokens after the first."""
    places = torch.arange(x.shape[1] - 1, device=x.device)[None].expand(x.shape[0], -1)
    return network.logits(x[:, :-1], places, at_most(places, places))


@torch.inference_mode()
def nats_by_token(network: SequenceNetwork, x: Tensor) -> Tensor:
    """(B, L - 1) float64: surprise at each token after the first."""
    return F.cross_entropy(next_logits(network, x).double().transpose(1, 2), x[:, 1:], reduction="none")


@torch.inference_mode()
def generate(network: SequenceNetwork, prompt: Tensor, length: int, uniforms: Tensor) -> Tensor:
    """Go on from (1, P) `prompt` to `length` tokens, a row for each of `uniforms` (B, length); keys and values kept."""
    x, cache = prompt.expand(len(uniforms), -1), Cache()
    while x.shape[1] < length:
        new = x[:, cache.length :]
        places = torch.arange(cache.length, x.shape[1])[None].expand(len(x), -1)
        every = torch.arange(x.shape[1])[None].expand(len(x), -1)
        cache.keep = new.shape[1]
        logits = network.logits(new, places, at_most(places, every), cache=cache)[:, -1]
        x = torch.cat([x, draw(logits, uniforms[:, x.shape[1]])[:, None]], 1)
    return x
