"""Block after block: what is written keeps its keys and values, and only the block in work is computed."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ornstein.denoise.precondition import LOGSNR_LIMIT
from ornstein.net.cache import Cache
from ornstein.net.sequence import Order, SequenceNetwork, at_most


def ranks_of(given: Bool[Tensor, " tokens"], block: int) -> Int[Tensor, " tokens"]:
    """Ranks of tokens: 0 for those given, the others by blocks from left to right, as ``sample.blocks.block_grid``."""
    number = torch.arange(len(given), device=given.device) // block
    busy = torch.zeros(int(number[-1]) + 1, dtype=torch.long, device=given.device)
    busy[number[~given]] = 1
    return torch.where(given, 0, busy.cumsum(0)[number])


class Blockwise:
    """A network of tokens (``denoise.product.FieldsNetwork``) that is told of one generation, step by step.

    Tokens see those of their own rank and of lower ones, so what it remembers is exact. It serves rows whose ranks are
    the same and whose blocks are written in the same steps.

    Args:
        network: the weights.
        ranks: (L,) of the tokens.
        temperature: that logits are divided by.

    Attributes:
        evaluations: passes of the network so far.
    """

    def __init__(
        self, network: SequenceNetwork, ranks: Int[Tensor, " tokens"], temperature: float = 1.0
    ) -> None:
        self.network, self.ranks, self.temperature = network, ranks, temperature
        self.evaluations = 0
        self._cache, self._kept = Cache(), ranks.new_zeros(0)

    def __call__(
        self, z: Int[Tensor, "rows tokens"], logsnr: Float[Tensor, "rows tokens"], condition: Order
    ) -> Float[Tensor, "rows tokens categories"]:
        """Logits of the block in work; zeros elsewhere, where nothing moves."""
        logits = torch.zeros(*z.shape, self.network.categories, dtype=torch.float32, device=z.device)
        moving = (logsnr[0] < LOGSNR_LIMIT).cpu()
        block = self.ranks == self.ranks[moving].min()
        if not bool((z[:, block] < 0).any()):
            return logits
        known = (self.ranks < self.ranks[block][0]).nonzero()[:, 0]
        fresh = known[~torch.isin(known, self._kept)]
        asked = torch.cat([fresh, block.nonzero()[:, 0]])
        self._cache.keep = len(fresh)
        sight = at_most(self.ranks[asked][None], self.ranks[torch.cat([self._kept, asked])][None])
        rows, places = z.shape[0], asked.expand(z.shape[0], -1)
        found = self.network.logits(z[:, asked], places, sight.expand(rows, -1, -1), cache=self._cache)
        self._kept = torch.cat([self._kept, fresh])
        self.evaluations += 1
        logits[:, block] = found[:, len(fresh) :].float() / self.temperature
        return logits
