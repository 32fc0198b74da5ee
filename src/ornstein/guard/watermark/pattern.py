r"""A second mark for pictures of any size: a faint keyed pattern in the brightness of finished pixels.

A grid of cells is stretched over the picture. The code gives each cell a sign; there the picture is made a little
brighter or darker. Who reads takes, of each cell, by how much it is brighter than the cells around it that look alike,

$$a=v\,e^{-v^2/2\tau^2}\,\frac{1}{1+(s/s_0)^2},$$

$v$ that difference and $s$ the deviation within the cell: flat parts vote, edges hardly. The votes know nothing of
codes, so ``detect.chance`` bounds what chance shows, as for the mark in the noise.

Whoever marks knows the picture and the reader (informed embedding, as in Malvar & Florencio 2003). So the change
climbs the gradient of the score, in steps, until the code is found after JPEG, blur and scaling, and no further: flat
pictures are changed little, those that are all edges more.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from ornstein.errors import UsageError
from ornstein.guard.watermark.code import CODES, Shading
from ornstein.guard.watermark.detect import Reading, chance, likeliest, price

SMALLEST = 24  # pixels of the shorter side
FINE_FROM = 48  # pixels of the longer side from which grids are the fine ones
LARGEST = 128  # larger pictures are averaged down to this side to find the change

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green, blue (BT.601), as in JPEG
REACH = 2  # cells to each side that a cell is compared with
ALIKE, VOTING, ROUGH = (
    20.0,
    10.0,
    6.0,
)  # levels of 255 at which neighbours, differences, deviations count for less

TARGET = 7.5
"""Score to be reached after each kind of wear; about 6.7 is needed for a hit."""
BEYOND = 9.0  # kinds of wear count for the next step by how far they are below this
STEPS = 24
STEP, MOMENTUM = 0.4, 0.5  # levels, root mean square
FULL = 12  # steps after which the change may be as large as is ever allowed
FLAT, BUSY, MOST = 12.0, 0.5, 24.0
"""Levels of 255 that a pixel may change: in flat parts; per level of deviation around it; at most."""
QUALITIES = (70, 45)  # of JPEG; a little worse than those after which it is to be found
BLUR, SCALE = 1.0, 0.75  # pixels; share of the side
# Quantisation of brightness at quality 50, ITU-T T.81 annex K
QUANTA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)


class Grid(NamedTuple):
    """Cells a side, and levels of 255 from which neighbours, differences and deviations within count for less."""

    cells: int
    alike: float
    voting: float
    rough: float


COARSE, FINE, FINEST = Grid(14, 20, 10, 6), Grid(32, 20, 10, 6), Grid(48, 30, 14, 10)
"""For small pictures; for others; for those of the others that are nearly all edges. Readers try each."""


class Pattern:
    """The patterns of a key; 4,096, and the seed decides which, as for the mark in the noise.

    Args:
        key: a secret, or the public key.

    Raises:
        UsageError: a key shorter than 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key, self._shading = key, Shading(key)

    @staticmethod
    def fits(picture: np.ndarray) -> bool:
        """Whether (H, W, C) has room for a pattern."""
        return min(picture.shape[:2]) >= SMALLEST

    def embed(self, picture: np.ndarray, seed: int) -> np.ndarray:
        """A picture with the pattern of its seed: uint8, of the same shape; transparency stays as it is.

        Args:
            picture: uint8 (H, W, C), premultiplied RGBA, RGB or grey, sides of 24 or more.
            seed: of the picture.

        Raises:
            UsageError: a smaller picture.
        """
        height, width = _refuse_small(picture)
        side = max(height, width)
        small = _averaged(_squared(picture), min(side, LARGEST))
        code, highest, change = self._shading.code_of(seed), -np.inf, np.zeros(small.shape[:2], np.float32)
        for grid in (COARSE,) if side < FINE_FROM else (FINE, FINEST):
            score, found = _change(small, grid, self._shading.chips(code, grid.cells))
            if score > highest:
                highest, change = score, found
            if highest >= TARGET:
                break
        whole = np.asarray(Image.fromarray(change).resize((side, side), Image.Resampling.BICUBIC))
        top, left = (side - height) // 2, (side - width) // 2
        return _changed(picture, whole[top : top + height, left : left + width])

    def detect(self, picture: np.ndarray, shifts: Iterable[tuple[int, int]] = ((0, 0),)) -> Reading:
        """The likeliest pattern of a picture, on any grid.

        Args:
            picture: as for ``embed``.
            shifts: by how many pixels (down, right) it may have been moved.

        Raises:
            UsageError: a smaller picture.
        """
        _refuse_small(picture)
        moves, seen = tuple(shifts), _seen(_squared(picture))
        rolled = np.stack([np.roll(seen, (-down, -right), (0, 1)) for down, right in moves])
        found = []
        for grid in (grids := (COARSE, FINE, FINEST)):
            votes, _ = _votes(rolled, grid)
            lengths = np.maximum(np.linalg.norm(votes, axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
            units = (votes / lengths).reshape(len(moves), -1)
            for move, (code, score) in zip(
                moves, likeliest(_chips(self._key, grid.cells), units), strict=True
            ):
                p_value = min(1.0, len(grids) * CODES * price(move, moves) * chance(score))
                found.append(Reading(self._shading.fingerprint, code, move, score, p_value))
        return min(found, key=lambda reading: (reading.p_value, -reading.score))


def _change(picture: np.ndarray, grid: Grid, chips: np.ndarray) -> tuple[float, np.ndarray]:
    """A change that lets (N, N, C) show chips (G, G) despite wear: its score, and levels, float32 (N, N)."""
    side = len(picture)
    seen, spread, soft = (
        _seen(picture),
        _areas(side, grid.cells).T * (side / grid.cells),
        _blurring(side, 0.5),
    )
    around = _blurring(side, 1.5)
    deviation = np.sqrt(np.maximum(_both(around, seen * seen) - _both(around, seen) ** 2, 0))
    limit = np.minimum(FLAT + BUSY * deviation, MOST)
    visible = picture[..., 3] / np.float32(255) if picture.shape[-1] == 4 else np.float32(1)
    change = best = np.zeros_like(seen)
    speed, highest = np.zeros_like(seen), -np.inf
    for step in range(1, STEPS + 1):
        votes, slopes = _votes(_worn(_seen(_changed(picture, change))), grid)
        lengths = np.linalg.norm(votes, axis=(1, 2), keepdims=True) + np.float32(1e-6)
        scores = (votes * chips).sum((1, 2), keepdims=True) / lengths
        if (reached := float(np.minimum(scores, TARGET).mean())) > highest:
            highest, best = reached, change
        if highest >= TARGET:
            break
        rise = np.maximum(BEYOND - scores, 0) * (chips - scores * votes / lengths) * slopes
        pull = _both(soft, _both(spread, rise.sum(0))) * visible
        speed = MOMENTUM * speed + pull / (np.sqrt((pull * pull).mean()) + np.float32(1e-9))
        most = limit * min(1, step / FULL)
        change = np.clip(change + STEP * speed, -most, most)
    return highest, best


def _votes(seen: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Of brightnesses (B, N, N) each cell's vote, (B, G, G), and how fast it grows with the cell's brightness."""
    cells, areas = grid.cells, _areas(seen.shape[-1], grid.cells)
    mean = _both(areas, seen)
    trusted = 1 / (1 + np.maximum(_both(areas, seen * seen) - mean * mean, 0) / grid.rough**2)
    edge = ((0, 0), (REACH, REACH), (REACH, REACH))
    means, weights = np.pad(mean, edge), np.pad(trusted, edge)
    total, weight = np.zeros_like(mean), np.full_like(mean, 1e-3)
    for down in range(2 * REACH + 1):
        for right in range(2 * REACH + 1):
            if distance := (down - REACH) ** 2 + (right - REACH) ** 2:
                there = (slice(None), slice(down, down + cells), slice(right, right + cells))
                difference = mean - means[there]
                alike = weights[there] * np.exp(difference * difference / (-2 * grid.alike**2)) / distance
                total += alike * difference
                weight += alike
    over = total / weight
    ratio = (over / grid.voting) ** 2
    flat = np.exp(ratio / -2) * trusted
    return over * flat, np.maximum(1 - ratio, 0) * flat


def _worn(seen: np.ndarray) -> np.ndarray:
    """What (N, N) may have become on its way to a reader: (4, N, N)."""
    side = len(seen)
    return np.stack(
        [
            *(_compressed(seen, quality) for quality in QUALITIES),
            _both(_blurring(side, BLUR), seen),
            _both(_scaling(side), seen),
        ]
    )


def _compressed(seen: np.ndarray, quality: int) -> np.ndarray:
    """Brightness after JPEG: blocks of 8 x 8, their cosine coefficients rounded to multiples."""
    side, blocks = len(seen), -(-len(seen) // 8)
    quanta = np.clip(np.floor((QUANTA * (200 - 2 * quality) + 50) / 100), 1, 255)
    padded = np.pad(np.round(seen) - 128, (0, 8 * blocks - side), mode="edge").reshape(blocks, 8, blocks, 8)
    cosines = _cosines()
    found = cosines @ padded.swapaxes(1, 2) @ cosines.T
    kept = cosines.T @ (np.round(found / quanta) * quanta) @ cosines
    whole = kept.swapaxes(1, 2).reshape(8 * blocks, 8 * blocks)
    return np.clip(np.round(whole[:side, :side] + 128), 0, 255)


def _changed(picture: np.ndarray, change: np.ndarray) -> np.ndarray:
    """A picture (H, W, C) whose colour is brighter by (H, W) levels where it is opaque; never beyond alpha."""
    if picture.shape[-1] != 4:
        return np.clip(np.round(picture + change[..., None]), 0, 255).astype(np.uint8)
    color, alpha = picture[..., :3], picture[..., 3:]
    moved = np.clip(np.round(color + change[..., None] * (alpha / np.float32(255))), 0, alpha)
    return np.concatenate([moved.astype(np.uint8), alpha], axis=-1)


def _seen(picture: np.ndarray) -> np.ndarray:
    """Brightness before white, float32 (H, W)."""
    bright = picture[..., :3] @ LUMA if picture.shape[-1] > 1 else picture[..., 0].astype(np.float32)
    return bright + (255 - picture[..., 3]) if picture.shape[-1] == 4 else bright


def _squared(picture: np.ndarray) -> np.ndarray:
    """In the middle of a square, as pictures are read: what is around is transparent, or white."""
    side = max(picture.shape[:2])
    spare = [(side - length) // 2 for length in picture.shape[:2]]
    around = [(low, side - length - low) for low, length in zip(spare, picture.shape[:2], strict=True)]
    return np.pad(picture, (*around, (0, 0)), constant_values=0 if picture.shape[-1] == 4 else 255)


def _averaged(picture: np.ndarray, side: int) -> np.ndarray:
    """A square picture (N, N, C) at this side."""
    if len(picture) == side:
        return picture
    return (
        np.round(_both(_areas(len(picture), side), picture.transpose(2, 0, 1)))
        .astype(np.uint8)
        .transpose(1, 2, 0)
    )


def _refuse_small(picture: np.ndarray) -> tuple[int, int]:
    height, width = picture.shape[:2]
    if not Pattern.fits(picture):
        raise UsageError(
            f"the pattern needs sides of {SMALLEST} pixels or more, not {width} x {height}: leave it out"
        )
    return height, width


def _both(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A matrix on both axes of (..., N, N)."""
    return matrix @ values @ matrix.T


@lru_cache(maxsize=32)
def _areas(side: int, cells: int) -> np.ndarray:
    """Averages of (N,) over equal parts, with their share of pixels that are cut: float32 (cells, N)."""
    edges, pixels = np.linspace(0, side, cells + 1), np.arange(side)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(shared, 0) * (cells / side)).astype(np.float32)


@lru_cache(maxsize=32)
def _blurring(side: int, deviation: float) -> np.ndarray:
    """A Gaussian blur: float32 (N, N)."""
    pixels = np.arange(side)
    kernel = np.exp(-((pixels[:, None] - pixels) ** 2) / (2 * deviation**2))
    return (kernel / kernel.sum(1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=32)
def _scaling(side: int) -> np.ndarray:
    """Made smaller, and back: float32 (N, N), by what it does to single pixels."""
    pixels = Image.fromarray(np.eye(side, dtype=np.float32))
    smaller = pixels.resize((side, round(SCALE * side)), Image.Resampling.BICUBIC)
    return np.asarray(smaller.resize((side, side), Image.Resampling.BICUBIC))


@lru_cache
def _cosines() -> np.ndarray:
    """The orthonormal cosine transform of eight: float32 (8, 8)."""
    rows = 0.5 * np.cos(np.pi * np.arange(8)[:, None] * (np.arange(8) + 0.5) / 8)
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


@lru_cache(maxsize=6)
def _chips(key: bytes, cells: int) -> np.ndarray:
    """Every code of a key, int8 (4096, cells squared)."""
    shading = Shading(key)
    return np.stack([shading.chips(code, cells).ravel() for code in range(CODES)])
