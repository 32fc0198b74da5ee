"""Step caching for a model's trajectories: conditions that know their row, and a network that remembers by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from ornstein.assembly import AutocastNetwork
from ornstein.condition.tokens import Tokens
from ornstein.errors import UsageError
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

    def begin(self, condition: Any) -> Any:
        """The condition, its rows numbered, as the trajectory is to be given it; what was remembered is forgotten."""
        number = count()
        made = _numbered(condition, number)
        self.deep.begin(next(number))
        return made

    def __call__(self, z: Tensor, logsnr: Tensor, condition: Numbered) -> Tensor:
        """As ``precondition.Network``."""
        self.deep.expect(condition.rows)
        return self.network(z, logsnr, condition.tokens)


def _numbered(condition: Any, number: Iterator[int]) -> Any:
    """A value in which each ``Tokens``, however deep in tuples and dataclasses, has become ``Numbered``."""
    if isinstance(condition, Tokens):
        return Numbered(condition, torch.tensor([next(number) for _ in condition.mask], dtype=torch.long))
    if isinstance(condition, tuple):
        return tuple(_numbered(part, number) for part in condition)
    if is_dataclass(condition) and not isinstance(condition, type):
        parts = {field.name: _numbered(getattr(condition, field.name), number) for field in fields(condition)}
        return replace(condition, **parts)
    return condition
