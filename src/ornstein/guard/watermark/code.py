r"""A keyed code in the signs of the noise that pictures are made of (Yang et al. 2024, arXiv 2404.04956).

Of the noise $\varepsilon$ of a picture, the magnitudes of the coefficients $D\varepsilon$ of an orthonormal cosine
transform stay as the seed drew them; their signs become those of a code,

$$\varepsilon' = D^\top\bigl(|D\varepsilon|\odot c\bigr),\qquad c\in\{-1,1\}^K.$$

The signs of normal numbers are fair coins that know nothing of the magnitudes, so with a random code the noise is
standard normal as before. One code alone would make all pictures of a prompt alike: each seed has one of 4,096. The
published method marks single elements; coefficients survive that a picture is moved or scaled a little.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ornstein.errors import OrnsteinError, UsageError
from ornstein.record import Mark
from ornstein.sample.fitted import FITTED
from ornstein.sample.registry import find_method

CODES = 4096
HIGHEST = 64
"""Frequencies of an axis that carry the code, at most: what lies above does not survive being scaled down."""
SHORTEST_KEY, LONGEST_KEY = 32, 4096  # bytes
PUBLIC_KEY = hashlib.sha256(b"ornstein: the public watermark key, version 1").digest()
"""Stands in this file: anybody can look for its marks, and anybody can make them."""


def read_key(path: Path | None) -> bytes:
    """The secret in a file, all its bytes; the public key where None.

    Raises:
        OrnsteinError: no such file. UsageError: not 32 to 4,096 bytes.
    """
    if path is None:
        return PUBLIC_KEY
    try:
        with path.open("rb") as file:
            key = file.read(LONGEST_KEY + 1)
    except OSError as error:
        raise OrnsteinError(f"cannot read the watermark key {path}: {error.strerror}") from error
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        held = f"{len(key)} bytes" if len(key) <= LONGEST_KEY else f"more than {LONGEST_KEY:,} bytes"
        raise UsageError(
            f"the watermark key {path} has {held}: it needs {SHORTEST_KEY} to {LONGEST_KEY:,} random ones, such as "
            "those of `openssl rand -out FILE 32`"
        )
    return key


def fingerprint(key: bytes) -> str:
    """What records call a key: the first 16 hexadecimal digits of its sha256."""
    return hashlib.sha256(key).hexdigest()[:16]


def marks(sampler: str) -> bool:
    """Whether pictures of this sampler keep the mark: not if it draws more noise on the way.

    Raises:
        UsageError: an unknown name.
    """
    return sampler.startswith(FITTED) or not find_method(sampler).stochastic


class Shading:
    """The codes of a key; its ``imprint`` is what ``Model.generate`` takes.

    Args:
        key: a secret, or PUBLIC_KEY.

    Raises:
        UsageError: a key shorter than 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < SHORTEST_KEY:
            raise UsageError(f"a watermark key has at least {SHORTEST_KEY} bytes, not {len(key)}")
        self._key = key
        self.fingerprint = fingerprint(key)

    def code_of(self, seed: int) -> int:
        """Which of the codes pictures of this seed carry: 0 to 4,095."""
        return int.from_bytes(self._derived("code", seed)) % CODES

    def mark(self, seed: int) -> Mark:
        """What the record of a picture says of it."""
        return Mark(key=self.fingerprint, code=self.code_of(seed))

    def imprint(self, noise: Tensor, seeds: Sequence[int]) -> Tensor:
        """Noise that carries the codes of its seeds; each row is computed alone.

        Args:
            noise: (B, *sides, C) float32 of unit variance.
            seeds: one a row.
        """
        rows = [
            _imprinted(row, self.signs(self.code_of(seed), row.shape))
            for row, seed in zip(noise.cpu().double().numpy(), seeds, strict=True)
        ]
        return torch.from_numpy(np.stack(rows)).to(noise) if rows else noise

    def signs(self, code: int, shape: Sequence[int]) -> np.ndarray:
        """A code for noise (*sides, C): int8 of -1 and 1, in the shape of its ``spectrum``."""
        return self._coins("signs", code, carriers(shape))

    def chips(self, code: int, cells: int) -> np.ndarray:
        """A code for a grid on finished pictures (``pattern.py``): int8 of -1 and 1, (cells, cells)."""
        return self._coins("chips", code, (cells, cells))

    def all_signs(self, shape: Sequence[int]) -> np.ndarray:
        """Every code, a row each: int8 (4096, K), K coefficients."""
        return np.stack([self.signs(code, shape).ravel() for code in range(CODES)])

    def _coins(self, purpose: str, code: int, shape: tuple[int, ...]) -> np.ndarray:
        length = prod(shape)
        drawn = hashlib.shake_256(self._derived(purpose, code, *shape)).digest(-(-length // 8))
        bits = np.unpackbits(np.frombuffer(drawn, np.uint8), count=length)
        return (2 * bits.astype(np.int8) - 1).reshape(shape)

    def _derived(self, purpose: str, *numbers: int) -> bytes:
        text = " ".join([purpose, *(str(number) for number in numbers)])
        return hmac.digest(self._key, text.encode(), "sha256")


def carriers(shape: Sequence[int]) -> tuple[int, ...]:
    """Shape of the coefficients that carry a code in noise (*sides, C)."""
    *sides, channels = shape
    return (*(min(side, HIGHEST) for side in sides), channels)


def spectrum(noise: np.ndarray) -> np.ndarray:
    """The carrying coefficients of noise (*sides, C): float64, in the shape of ``carriers``."""
    for axis, side in enumerate(noise.shape[:-1]):
        noise = _along(axis, _cosines(side), noise)
    return noise


def _imprinted(noise: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Noise (*sides, C) whose carrying coefficients have these signs, and the magnitudes they had."""
    drawn = spectrum(noise)
    change = np.abs(drawn) * signs - drawn
    for axis, side in enumerate(noise.shape[:-1]):
        change = _along(axis, _cosines(side).T, change)
    return noise + change


def _along(axis: int, matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The product of a matrix and one axis of an array; by torch, whose threads the model uses anyway."""
    first = torch.from_numpy(values).movedim(axis, 0)
    product = torch.from_numpy(matrix) @ first.flatten(1)
    return product.unflatten(1, first.shape[1:]).movedim(0, axis).numpy()


@lru_cache
def _cosines(side: int) -> np.ndarray:
    """The lowest rows of the orthonormal cosine transform (DCT-II): (min(side, HIGHEST), side)."""
    frequency, place = np.arange(min(side, HIGHEST))[:, None], np.arange(side) + 0.5
    rows = np.sqrt(2 / side) * np.cos(np.pi * frequency * place / side)
    rows[0] /= np.sqrt(2)
    return rows
