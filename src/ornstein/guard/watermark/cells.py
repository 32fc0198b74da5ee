r"""How bright the cells of a grid are beside those around them: the votes of the pattern in pixels.

Of each cell counts by how much it is brighter than the cells around it that look alike,

$$a=v\,e^{-v^2/2\tau^2}\,\frac{1}{1+(s/s_0)^2},\qquad
v=\frac{\sum_j w_j\,(m-m_j)}{\sum_j w_j},\quad w_j\propto e^{-(m-m_j)^2/2\alpha^2}\,\frac{1}{1+(s_j/s_0)^2},$$

$m$ the mean of a cell and $s$ the deviation within it: flat parts vote, edges hardly.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ornstein.guard.watermark.wear import both

CELLS = 32  # a side
REACH = 2  # cells around a cell that it is compared with, in a circle
AROUND = [
    (REACH + down, REACH + right, np.float32(1 / (down * down + right * right)))
    for down in range(-REACH, REACH + 1)
    for right in range(-REACH, REACH + 1)
    if 0 < down * down + right * right <= REACH * REACH
]
"""Corner of each neighbour in a grid with an edge of REACH, and its weight, less with the square of its distance."""


class Care(NamedTuple):
    """Levels of 255 from which neighbours (alpha), differences (tau) and deviations (s0) count for less."""

    alike: float
    voting: float
    rough: float


READERS = STRICT, LENIENT = Care(20, 6, 6), Care(30, 14, 10)
"""For most pictures; for those that are nearly all edges. Whoever looks for a pattern tries both."""


def votes_of(seen: np.ndarray, care: Care) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """The votes of brightnesses, and what they owe to it.

    Args:
        seen: float32 (B, N, N).
        care: how edges are kept out.

    Returns:
        float32 (B, G, G), and a function from how something grows with them to how it grows with `seen`; the weights
        are held still.
    """
    areas = averaging(seen.shape[-1], CELLS)
    mean = both(areas, seen)
    trusted = 1 / (1 + np.maximum(both(areas, seen * seen) - mean * mean, 0) / care.rough**2)
    means, trusts = _edged(mean), _edged(trusted)
    total, weight, kernels = np.zeros_like(mean), np.full_like(mean, 1e-3), []
    for down, right, near in AROUND:
        difference = mean - _there(means, down, right)
        kernel = near * np.exp(difference * difference * np.float32(-0.5 / care.alike**2))
        kernels.append(kernel)
        alike = kernel * _there(trusts, down, right)
        weight += alike
        total += alike * difference
    over = total / weight
    ratio = (over / np.float32(care.voting)) ** 2
    flat = np.exp(ratio / -2) * trusted

    def owed(rise: np.ndarray) -> np.ndarray:
        own = rise * np.maximum(1 - ratio, 0) * flat
        given = _edged(own / weight)
        for (down, right, _), kernel in zip(AROUND, kernels, strict=True):
            own = own - kernel * trusted * _there(given, down, right)
        return both(areas.T, own)

    return over * flat, owed


@lru_cache(maxsize=32)
def averaging(side: int, cells: int) -> np.ndarray:
    """Averages of (N,) over equal parts, with their share of pixels that are cut: float32 (cells, N)."""
    edges, pixels = np.linspace(0, side, cells + 1), np.arange(side)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(shared, 0) * (cells / side)).astype(np.float32)


def _edged(grid: np.ndarray) -> np.ndarray:
    edged = np.zeros(
        (len(grid), CELLS + 2 * REACH, CELLS + 2 * REACH), np.float32
    )  # np.pad takes five times as long
    edged[:, REACH:-REACH, REACH:-REACH] = grid
    return edged


def _there(edged: np.ndarray, down: int, right: int) -> np.ndarray:
    return edged[:, down : down + CELLS, right : right + CELLS]
