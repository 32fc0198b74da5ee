"""Step caching for a model's trajectories: conditions that know their row, and a network that remembers by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ornstein.assembly import AutocastNetwork
from ornstein.condition.tokens import Tokens
from ornstein.errors import UsageError
from ornstein.guide.classifier_free import Guided
from ornstein.net.reuse import DeepBlocks, with_deep_blocks


@dataclass(frozen=True)
class Numbered:
    """Conditions of a trajectory's rows.

    Attributes:
        tokens: the conditions.
        rows: (B,) which row of memory each one has; those of negative prompts have their own.
    """

    tokens: Tokens
    rows: Tensor

    def select(self, rows: Tensor) -> Numbered:
        """Pick rows."""
        return Numbered(self.tokens.select(rows), self.rows[rows.to(self.rows.device)])

    def join(self, other: Numbered) -> Numbered:
        """Stack rows below these."""
        return Numbered(self.tokens.join(other.tokens), torch.cat([self.rows, other.rows]))


@dataclass(frozen=True)
class ReusingNetwork:
    """A ``precondition.Network`` for one trajectory, whose deep blocks run at every so many evaluations.

    Attributes:
        network: what is called.
        deep: its deep blocks.
    """

    network: AutocastNetwork
    deep: DeepBlocks

    @classmethod
    def of(cls, network: Any, every: int) -> ReusingNetwork:
        """From the network of a denoiser, its weights shared. Raises UsageError where it has no deep blocks."""
        inner = network.network if isinstance(network, AutocastNetwork) else None
        if not isinstance(inner, nn.Module):
            raise UsageError("this network's deep blocks cannot be told from the rest: leave reuse at 1")
        try:
            made, deep = with_deep_blocks(inner, every)
        except ValueError as error:
            raise UsageError(f"{error}: leave reuse at 1") from None
        return cls(AutocastNetwork(made, network.dtype), deep)

    def begin(self, condition: Guided) -> Guided:
        """The condition, its rows numbered, as the trajectory is to be given it; what was remembered is forgotten.

        Raises:
            UsageError: composed prompts, whose parts have no row of their own.
        """
        positive, negative = condition.positive, condition.negative
        if not (isinstance(positive, Tokens) and isinstance(negative, Tokens)):
            raise UsageError("a composed prompt cannot be drawn with reuse: leave it at 1")
        rows = torch.arange(len(positive.mask) + len(negative.mask))
        self.deep.begin(len(rows))
        mine, theirs = rows.split([len(positive.mask), len(negative.mask)])
        return replace(condition, positive=Numbered(positive, mine), negative=Numbered(negative, theirs))

    def __call__(self, z: Tensor, logsnr: Tensor, condition: Numbered) -> Tensor:
        """As ``precondition.Network``."""
        self.deep.expect(condition.rows)
        return self.network(z, logsnr, condition.tokens)
