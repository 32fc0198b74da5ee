"""Randomness as a pure function of integers, so that nothing depends on batch, row, device or history."""

from __future__ import annotations

import zlib

import numpy as np


def stream(purpose: str, *key: int) -> np.random.Generator:
    """Return the random stream that belongs to `purpose` and an integer `key`.

    The same purpose and key always give the same numbers; different ones give independent streams
    (Philox counters keyed through ``SeedSequence``).

    Args:
        purpose: names the use ("noise", "times" …), so that two uses of one seed never share numbers.
        key: non-negative integers of any size, for example (seed, rank, step).
    """
    words = (zlib.crc32(purpose.encode()), *key)
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
