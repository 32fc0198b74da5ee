"""Times of each element: what is given stands at 0, and blocks of a sequence are generated one after another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ornstein.process.gaussian import Path
from ornstein.sample.stepper import Method


def held(
    times: Float[Tensor, " times"], given: Bool[Tensor, "*elements"]
) -> Float[Tensor, "times *elements"]:
    """The same times for every element but those `given`, which stand at 0 throughout."""
    free = (~given).to(times)
    return times.reshape(-1, *(1,) * given.ndim) * free


def block_grid(
    length: int, block: int, steps: int, given: Bool[Tensor, " length"]
) -> Float[Tensor, "{steps}+1 {length}"]:
    """Times under which blocks of a sequence are generated from left to right; any sampler then does so.

    A block's elements fall from 1 to 0 together in equal steps; before that they wait at 1, afterwards they stand at 0,
    as what is given does throughout (Arriola et al. 2025, arXiv 2503.09573: each block is a diffusion given those
    before it). Steps are shared out evenly to the blocks that have anything to generate, the first ones getting what
    is left over.

    Args:
        length: of the sequence.
        block: elements in a block, 1 for one after another; the last block may be shorter.
        steps: in all.
        given: elements that are known.

    Raises:
        ValueError: fewer steps than blocks.
    """
    number = torch.arange(length, device=given.device) // block
    busy = torch.bincount(number[~given], minlength=1) > 0
    turn = (busy.cumsum(0) - 1)[number[~given]]
    count = max(int(busy.sum()), 1)
    if steps < count:
        raise ValueError(f"{count} blocks need at least as many steps, not {steps}")
    per = torch.full((count,), steps // count, dtype=torch.float64, device=given.device)
    per[: steps % count] += 1
    start = per.cumsum(0) - per
    step = torch.arange(steps + 1, dtype=torch.float64, device=given.device)[:, None]
    times = step.new_zeros(steps + 1, length)
    times[:, ~given] = 1 - ((step - start[turn]) / per[turn]).clamp(0, 1)
    return times


def row_grids(
    method: Method,
    path: Path,
    times: Float[Tensor, " times"] | Float[Tensor, "rows times elements"],
    given: Bool[Tensor, "rows elements"],
    seeds: Sequence[int],
) -> list[Float[Tensor, "_ elements"]]:
    """The grid of each row for ``loop.trajectory``: given elements held, then arranged as the method wants it.

    Args:
        method: which sampler.
        path: of the elements.
        times: falling times of all elements, or of each row's (``block_grid``).
        given: what is known of each row.
        seeds: one a row.
    """
    each = [held(times, row) for row in given] if times.ndim == 1 else list(times)
    return [method.arrange(grid, path, seed) for grid, seed in zip(each, seeds, strict=True)]
