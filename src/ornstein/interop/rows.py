"""Conditions of imported models: for each row whatever tensors its network is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch of conditions.

    Attributes:
        tensors: rows first, in the order in which the network's adapter takes them; none for a model that nothing
            steers.
    """

    tensors: tuple[Tensor, ...] = ()

    @classmethod
    def stack(cls, rows: Sequence[tuple[Tensor, ...]]) -> Rows:
        """One batch of single conditions of equal shapes."""
        return cls(tuple(torch.stack(column) for column in zip(*rows, strict=True)))

    def select(self, rows: Tensor) -> Rows:
        """Pick rows."""
        return Rows(tuple(tensor[rows.to(tensor.device)] for tensor in self.tensors))

    def join(self, other: Rows) -> Rows:
        """Stack rows below these."""
        return Rows(
            tuple(torch.cat([mine, theirs]) for mine, theirs in zip(self.tensors, other.tensors, strict=True))
        )

    def told(self, scale: Tensor) -> Rows:
        """The same with a guidance scale for each row, for a network that is told it."""
        return Rows((*self.tensors, scale))

    def to(self, device: torch.device | str) -> Rows:
        """Move all tensors."""
        return Rows(tuple(tensor.to(device) for tensor in self.tensors))
