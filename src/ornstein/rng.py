"""Randomness as a pure function of integers, so that nothing depends on batch, row, device or history."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np


def stream(purpose: str, *key: int) -> np.random.Generator:
    """Return the random stream that belongs to `purpose` and an integer `key`.

    The same purpose and key always give the same numbers; different ones give independent streams
    (Philox counters keyed through ``SeedSequence``).

    Args:
        purpose: names the use ("noise", "times" …), so that two uses of one seed never share numbers.
        key: non-negative integers of any size, for example (seed, rank, step); always as many for one purpose.

    Raises:
        ValueError: for a negative integer.
    """
    if min(key, default=0) < 0:
        raise ValueError(f"a stream's key is made of non-negative integers, not {key}")
    words = (zlib.crc32(purpose.encode()), *key)
    if max(key, default=0) >= 2**32:
        # SeedSequence would spell a large integer as several words, which another key may spell too
        spelled = " ".join([purpose, *(str(int(part)) for part in key)])
        words = (int.from_bytes(hashlib.sha256(spelled.encode()).digest()),)
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
