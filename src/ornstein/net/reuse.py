"""Deep blocks whose effect is computed at some evaluations of a trajectory and foreseen at the others.

From step to step the input of a transformer changes little, and what its deep blocks add to the stream changes
smoothly. When they run is a fixed pattern of each row's own evaluations: a pattern that looked at the samples would
let a row's neighbours decide how it is rounded.
"""

from __future__ import annotations

import copy
from itertools import chain

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from ornstein.net.dit import Transformer

TRUST = 0.5
"""Share of the foreseen change that is believed. All of it is better at 50 steps, but runs away at 20 and fewer."""

Rotation = tuple[Shaped[Tensor, "#rows ..."], ...]
"""Of each row, or one for all, in whatever form the blocks take it."""


def with_deep_blocks(network: nn.Module, every: int) -> tuple[nn.Module, DeepBlocks]:
    """A copy of `network`, weights shared, whose blocks after the first are ``DeepBlocks``; and those.

    Raises:
        ValueError: a network without exactly one ``Transformer``, or one of a single block.
    """
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    made = copy.deepcopy(network, shared)
    found = [module for module in made.modules() if isinstance(module, Transformer)]
    if len(found) != 1 or len(found[0].blocks) < 2:
        raise ValueError("this network has no deep blocks whose work could be reused")
    blocks = list(found[0].blocks)
    deep = DeepBlocks(blocks[1:], every)
    found[0].blocks = type(found[0].blocks)([blocks[0], deep])
    return made, deep


class DeepBlocks(nn.Module):
    """Blocks run as one, and the memory of one trajectory, in which each row counts and remembers for itself.

    They run at a row's first evaluation and then at every so many. In between, their effect goes on as it changed
    between the last two, at ``TRUST`` (TaylorSeer of order 1, damped: Liu et al. 2025, arXiv 2503.06923).

    Args:
        blocks: with the signature of ``Block``.
        every: 1 runs them always.
    """

    def __init__(self, blocks: list[nn.Module], every: int) -> None:
        super().__init__()
        self.blocks, self.every = nn.ModuleList(blocks), every
        self.begin(0)

    def begin(self, rows: int) -> None:
        """Forget everything: a trajectory of so many rows follows."""
        self._counts = torch.zeros(rows, dtype=torch.long)
        self._effect: Tensor | None = None
        self._change: Tensor | None = None
        self._rows = torch.arange(rows)

    def expect(self, rows: Int[Tensor, " rows"]) -> None:
        """Say which rows of the trajectory the next evaluation is of."""
        self._rows = rows.cpu()

    def forward(
        self,
        x: Float[Tensor, "rows tokens width"],
        modulation: Float[Tensor, "rows #tokens 6 width"],
        rotation: Rotation,
        mask: Shaped[Tensor, "rows 1 1 tokens"] | None,
        remembered: None = None,
    ) -> Float[Tensor, "rows tokens width"]:
        """As ``Block``, of tokens that are all there."""
        if self._effect is None or self._change is None:
            self._effect, self._change = x.new_zeros(2, len(self._counts), *x.shape[1:])
        rows, counts = self._rows, self._counts[self._rows]
        self._counts[rows] += 1
        due = (counts % self.every == 0).nonzero()[:, 0]
        if len(due):
            effect = self._computed(due, x, modulation, rotation, mask)
            earlier = (counts[due] > 0).to(effect)[:, None, None]
            self._change[rows[due]] = (effect - self._effect[rows[due]]) * earlier
            self._effect[rows[due]] = effect
        ahead = (TRUST * (counts % self.every) / self.every).to(x)[:, None, None]
        return x + torch.addcmul(self._effect[rows], self._change[rows], ahead)

    def _computed(
        self, due: Int[Tensor, " due"], x: Tensor, modulation: Tensor, rotation: Rotation, mask: Tensor | None
    ) -> Float[Tensor, "due tokens width"]:
        """What the blocks add to these rows of their input."""
        if len(due) < len(x):
            x, modulation, rotation = (
                x[due],
                modulation[due],
                tuple(part if len(part) == 1 else part[due] for part in rotation),
            )
            mask = mask if mask is None else mask[due]
        y = x
        for block in self.blocks:
            y = block(y, modulation, rotation, mask)
        return y - x
