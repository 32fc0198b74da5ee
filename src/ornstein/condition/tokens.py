"""Conditions as tokens: a batch of token states with true-length masks, and their way into a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Tokens:
    """A batch of conditions.

    Attributes:
        states: (B, M, width) float; rows past a condition's length are zero and never looked at.
        mask: (B, M) bool, True for real tokens; a row without any is the null condition.
    """

    states: Tensor
    mask: Tensor

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """What a network is given."""
        return self.states, self.mask

    def select(self, rows: Tensor) -> Tokens:
        """Pick rows."""
        rows = rows.to(self.mask.device)
        return Tokens(self.states[rows], self.mask[rows])

    def join(self, other: Tokens) -> Tokens:
        """Stack rows below these; the shorter side is padded."""
        length = max(self.mask.shape[1], other.mask.shape[1])
        mine, theirs = self.pad(length), other.pad(length)
        return Tokens(torch.cat([mine.states, theirs.states]), torch.cat([mine.mask, theirs.mask]))

    def pad(self, length: int) -> Tokens:
        """The same conditions in a tensor of `length` tokens; never shortens."""
        extra = length - self.mask.shape[1]
        if extra <= 0:
            return self
        return Tokens(
            nn.functional.pad(self.states, (0, 0, 0, extra)), nn.functional.pad(self.mask, (0, extra))
        )

    def trimmed(self, multiple: int = 1) -> Tokens:
        """The same conditions without the last places, as far as no row has a token there.

        At least one place stays, and as many more as make a multiple of `multiple`, where there are so many.
        """
        used = self.mask.any(0).nonzero()
        length = int(used.max()) + 1 if len(used) else 1
        length = min(-(-length // multiple) * multiple, self.mask.shape[1])
        return Tokens(self.states[:, :length], self.mask[:, :length])

    def drop(self, rows: Tensor) -> Tokens:
        """Replace rows (B,) bool by the null condition."""
        return Tokens(self.states, self.mask & ~rows[:, None].to(self.mask.device))

    def to(self, device: torch.device | str) -> Tokens:
        """Move both tensors."""
        return Tokens(self.states.to(device), self.mask.to(device))

    @classmethod
    def stack(cls, rows: Sequence[Tensor], length: int, width: int) -> Tokens:
        """Pad (m_i, width) rows to `length` tokens; longer ones are cut."""
        states = torch.zeros(len(rows), length, width, dtype=torch.float32)
        mask = torch.zeros(len(rows), length, dtype=torch.bool)
        for k, row in enumerate(rows):
            m = min(len(row), length)
            states[k, :m], mask[k, :m] = row[:m].float(), True
        return cls(states, mask)


class TokenEmbedder(nn.Module):
    """Projects token states to a network's width and puts a learned null token in place of an empty condition.

    Args:
        states_width: width of the states. width: width of the network.
    """

    def __init__(self, states_width: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(states_width, width)
        self.null = nn.Parameter(0.02 * torch.randn(width, device="cpu"))

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return ((B, M, width) float32 tokens, (B, M) mask with at least one True in every row)."""
        empty = ~mask.any(dim=1, keepdim=True)
        first = torch.zeros_like(mask)
        first[:, :1] = empty
        tokens = torch.where(first[..., None], self.null, self.project(states).float())
        return tokens, mask | first
