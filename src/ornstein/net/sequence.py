"""The transformer on a sequence of tokens, some of them hidden; who sees whom is told by ranks.

A token sees those of its own rank and of lower ones. Left to right, rank by rank, this is block diffusion (Arriola et
al. 2025, arXiv 2503.09573); with what is given around a hole at rank 0, it fills the hole; with a rank for every
token it would be an autoregressive network. What is seen never depends on what comes later, so its keys and values
can be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, Shaped
from pydantic import Field, model_validator
from torch import Tensor, nn

from ornstein.config import Config
from ornstein.net.cache import Cache
from ornstein.net.dit import Transformer, TransformerConfig

SPACING = 1 / 16
"""Between neighbours: the fastest rotary angles differ by a quarter turn, the slowest turn once in 128 tokens."""


class SequenceConfig(Config):
    """A transformer on at most `context` tokens."""

    kind: Literal["sequence"] = "sequence"
    transformer: TransformerConfig = TransformerConfig(width=192, depth=4, heads=3, axes=1)
    context: int = Field(default=128, ge=2, le=4096)

    @model_validator(mode="after")
    def _one_axis(self) -> SequenceConfig:
        if self.transformer.axes != 1:
            raise ValueError("a sequence has one axis")
        return self

    @property
    def summary(self) -> str:
        """A phrase for people."""
        blocks = f"{self.transformer.depth} blocks, width {self.transformer.width}"
        return f"a transformer of {blocks}, on up to {self.context} tokens"

    def build(self, categories: int) -> SequenceNetwork:
        """The network of so many tokens, with fresh weights."""
        return SequenceNetwork(self, categories)


@dataclass(frozen=True)
class Order:
    """In which order a row's tokens come to be: what ``SequenceNetwork`` is conditioned on.

    Attributes:
        ranks: (B, L) int64; tokens of rank 0 are given, the others come rank by rank.
        clean: (B, L) the tokens as they are, in training, where all ranks are learned in one pass: what is hidden in
            one rank is seen by those above it. None in generation, where lower ranks are seen already.
        cache: of generation, where there is one.
    """

    ranks: Int[Tensor, "rows tokens"]
    clean: Int[Tensor, "rows tokens"] | None = None
    cache: Cache | None = None

    def select(self, rows: Shaped[Tensor, " chosen"]) -> Order:
        """Some of the rows."""
        return Order(self.ranks[rows], None if self.clean is None else self.clean[rows])


class SequenceNetwork(nn.Module):
    """Tokens, hidden ones -1, to logits of what they are.

    The level of noise is not told: which tokens are hidden says it all (Ou et al. 2024, arXiv 2406.03736, theorem 1).

    Args:
        config: the shape.
        categories: tokens there are; number 0, the start of a text, is never predicted.
    """

    def __init__(self, config: SequenceConfig, categories: int) -> None:
        super().__init__()
        self.config, self.categories = config, categories
        width = config.transformer.width
        self.embed = nn.Embedding(categories + 1, width)  # the last one stands for what is hidden
        self.transformer = Transformer(config.transformer)
        self.bias = nn.Parameter(torch.zeros(categories))
        nn.init.normal_(self.embed.weight, std=width**-0.5)

    def forward(
        self, z: Int[Tensor, "rows tokens"], logsnr: Float[Tensor, "rows ..."], condition: Order
    ) -> Float[Tensor, "rows tokens categories"]:
        """Logits of each token, given those of its rank and of lower ones.

        Args:
            z: token numbers, -1 where hidden.
            logsnr: not looked at.
            condition: the order.
        """
        places = torch.arange(z.shape[1], device=z.device)[None].expand_as(z)
        if condition.clean is None:
            return self.logits(z, places, at_most(condition.ranks, condition.ranks))
        sight = two_streams(condition.ranks)
        return self.logits(torch.cat([z, condition.clean], 1), places.repeat(1, 2), sight, z.shape[1])

    def logits(
        self,
        z: Int[Tensor, "rows tokens"],
        places: Int[Tensor, "rows tokens"],
        sight: Bool[Tensor, "rows tokens all"],
        first: int | None = None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "rows first categories"]:
        """Logits of the `first` tokens (None: all), standing at `places`, each seeing what `sight` says."""
        embedded = self.embed(torch.where(z < 0, self.categories, z))
        rows = z.shape[0]
        nothing = embedded.new_zeros(rows, 0, embedded.shape[-1])
        level = torch.zeros(rows, dtype=torch.float32, device=z.device)
        hidden = self.transformer(
            embedded,
            (places * SPACING)[..., None],
            level,
            nothing,
            nothing[..., 0].bool(),
            None,
            sight,
            cache,
        )
        logits = nn.functional.linear(hidden[:, :first], self.embed.weight[:-1], self.bias)
        return logits.index_fill(-1, torch.zeros(1, dtype=torch.long, device=z.device), -torch.inf)


def at_most(
    ranks: Int[Tensor, "rows tokens"], others: Int[Tensor, "rows all"]
) -> Bool[Tensor, "rows tokens all"]:
    """Whether a token of the first may see one of the others: those of its rank or lower."""
    return others[:, None] <= ranks[:, :, None]


def two_streams(ranks: Int[Tensor, "rows tokens"]) -> Bool[Tensor, "rows 2*tokens 2*tokens"]:
    """Who sees whom where the tokens, some hidden, are followed by the same tokens clean.

    The first see those of their own rank as they are, and the clean ones of lower ranks; clean ones see clean ones.
    """
    same, below = ranks[:, None] == ranks[:, :, None], ranks[:, None] < ranks[:, :, None]
    upper = torch.cat([same, below], 2)
    lower = torch.cat([torch.zeros_like(same), same | below], 2)
    return torch.cat([upper, lower], 1)
