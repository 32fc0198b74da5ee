"""Several conditions for each row, to be followed together: each has a weight and may change from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor


@runtime_checkable
class Condition(Protocol):
    """Rows of a condition that can be picked and stacked."""

    def select(self, rows: Int[Tensor, " chosen"]) -> Condition: ...
    def join(self, other: Any) -> Condition: ...


@dataclass(frozen=True)
class Several:
    """Conditions that a row follows together; guidance says how.

    A part that takes turns is told another condition in each step. Denoisers see times and no steps, so the turn is
    read off the time: it lasts until the grid's next time is reached.

    Attributes:
        told: every condition that anything is told, in any order.
        turns: which row of `told` each part is told in each turn; one turn for parts that never change.
        ends: times at which the next turn begins, falling; below 0 for never.
        weight: of each part; below 0 is away from it.
    """

    told: Condition
    turns: Int[Tensor, "rows parts turns"]
    ends: Float[Tensor, "rows turns-1"]
    weight: Float[Tensor, "rows parts"]

    def select(self, rows: Int[Tensor, " chosen"]) -> Several:
        """Pick rows."""
        return Several(self.told, self.turns[rows], self.ends[rows], self.weight[rows])

    def at(self, time: Float[Tensor, " rows"]) -> Condition:
        """What all parts of all rows are told at each row's time: rows times parts conditions, row by row."""
        turn = (time[:, None] <= self.ends.to(time)).sum(1).cpu()
        return self.told.select(self.turns[torch.arange(len(turn)), :, turn].flatten())
