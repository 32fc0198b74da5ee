"""What pictures go through on their way to a reader, in memory: JPEG and blur, of brightness alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

BLUR = 1.0  # pixels
QUALITY = 42  # of JPEG; a little worse than the worst after which the pattern is to be found
KEPT = 0.5  # pixels of blur that stand for what JPEG lets through, which has no slope
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
    ]
)


def worn(seen: np.ndarray) -> np.ndarray:
    """What brightness (N, N) may have become: float32 (2, N, N). Scaling to 75% does less than either."""
    return np.stack([compressed(seen, QUALITY), both(blurring(len(seen), BLUR), seen)])


def unworn(rise: np.ndarray) -> np.ndarray:
    """How a quantity grows with (N, N), where it grows so (2, N, N) with what that became."""
    side = rise.shape[-1]
    return both(blurring(side, KEPT).T, rise[0]) + both(blurring(side, BLUR).T, rise[1])


def compressed(seen: np.ndarray, quality: int) -> np.ndarray:
    """Brightness (N, N) after JPEG: blocks of 8 x 8, their cosine coefficients rounded to multiples."""
    side, blocks = len(seen), -(-len(seen) // 8)
    cosines, quanta = _cosines(blocks), _quanta(quality, blocks)
    padded = np.round(seen) - 128
    if side % 8:
        padded = np.pad(padded, (0, 8 * blocks - side), mode="edge")
    kept = both(cosines.T, np.round(both(cosines, padded) / quanta) * quanta)
    return np.clip(np.round(kept[:side, :side] + 128), 0, 255)


def both(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A matrix on both axes of (..., N, N)."""
    return matrix @ values @ matrix.T


@lru_cache(maxsize=32)
def blurring(side: int, deviation: float) -> np.ndarray:
    """A Gaussian blur: float32 (N, N)."""
    pixels = np.arange(side)
    kernel = np.exp(-((pixels[:, None] - pixels) ** 2) / (2 * deviation**2))
    return (kernel / kernel.sum(1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=32)
def _cosines(blocks: int) -> np.ndarray:
    """The orthonormal cosine transform of each eight: float32 (8 blocks, 8 blocks)."""
    rows = 0.5 * np.cos(np.pi * np.arange(8)[:, None] * (np.arange(8) + 0.5) / 8)
    rows[0] /= np.sqrt(2)
    return np.kron(np.eye(blocks), rows).astype(np.float32)


@lru_cache(maxsize=32)
def _quanta(quality: int, blocks: int) -> np.ndarray:
    """What coefficients are multiples of, as libjpeg scales them: float32 (8 blocks, 8 blocks)."""
    scale = 200 - 2 * quality if quality >= 50 else 5000 // quality
    quanta = np.clip((QUANTA * scale + 50) // 100, 1, 255)
    return np.tile(quanta, (blocks, blocks)).astype(np.float32)
