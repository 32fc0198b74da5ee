"""Randomness as a pure function of integers, so that nothing depends on batch, row, device or history."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, UInt64

Words = np.ndarray
"""uint32 or uint64, whose products are taken modulo 2^32 or 2^64."""


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
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(_entropy(purpose, key))))


def _entropy(purpose: str, key: Sequence[int]) -> Sequence[int]:
    """What a stream is keyed by: words of 32 bits."""
    if min(key, default=0) < 0:
        raise ValueError(f"a stream's key is made of non-negative integers, not {tuple(key)}")
    if max(key, default=0) < 2**32:
        return zlib.crc32(purpose.encode()), *key
    # SeedSequence would spell a large integer as several words, which another key may spell too
    spelled = " ".join([purpose, *map(str, map(int, key))])
    words = struct.unpack("<8I", hashlib.sha256(spelled.encode()).digest()[::-1])
    if words[-1]:
        return words
    return tuple(np.trim_zeros(words, "b"))  # SeedSequence does not spell the upper zeros of a number


def uniforms(
    purpose: str, keys: Sequence[tuple[int, int]], count: int
) -> Float64[np.ndarray, "rows {count}"]:
    """``stream(purpose, *key).random(count)`` for each key, bit for bit, all at once.

    Making a stream takes twenty times as long as a number of it, which a small network's step would wait for.

    Args:
        purpose: as of ``stream``.
        keys: two integers a row.
        count: numbers of each.

    Raises:
        ValueError: for a negative integer.
    """
    entropies = [_entropy(purpose, key) for key in keys]
    drawn = np.empty((len(keys), count))
    for length in {len(words) for words in entropies}:
        rows = [row for row, words in enumerate(entropies) if len(words) == length]
        key = _seeded(list(np.array([entropies[row] for row in rows], np.uint32).T))
        drawn[rows] = (_philox(key, -(-count // 4))[:, :count] >> np.uint64(11)) * 2.0**-53
    return drawn


def _seeded(entropy: Sequence[Words]) -> UInt64[np.ndarray, "rows 2"]:
    """What numpy's ``SeedSequence`` makes of words (M. E. O'Neill's ``seed_seq_fe``), rows at once."""
    constant = 0x43B0D7E5

    def hashed(value: Words, factor: int) -> Words:
        nonlocal constant
        value = value ^ np.uint32(constant)
        constant = constant * factor % 2**32
        value = value * np.uint32(constant)
        return value ^ (value >> np.uint32(16))

    def mixed(x: Words, y: Words) -> Words:
        found = x * np.uint32(0xCA01F9DD) - y * np.uint32(0x4973F715)
        return found ^ (found >> np.uint32(16))

    padded = [*entropy, *[np.zeros_like(entropy[0])] * (4 - len(entropy))]
    pool = [hashed(word, 0x931E8875) for word in padded[:4]]
    for source in range(4):
        for target in range(4):
            if source != target:
                pool[target] = mixed(pool[target], hashed(pool[source], 0x931E8875))
    for word in padded[4:]:
        pool = [mixed(part, hashed(word, 0x931E8875)) for part in pool]
    constant = 0x8B51F9DD
    low_0, high_0, low_1, high_1 = (hashed(word, 0x58F38DED).astype(np.uint64) for word in pool)
    return np.stack([low_0 | high_0 << np.uint64(32), low_1 | high_1 << np.uint64(32)], axis=1)


def _philox(key: UInt64[np.ndarray, "rows 2"], blocks: int) -> UInt64[np.ndarray, "rows words"]:
    """The first blocks of four words of Philox4x64-10 (Salmon et al. 2011, doi 10.1145/2063384.2063405)."""
    counter = np.arange(1, blocks + 1, dtype=np.uint64)[None]  # numpy counts up before it draws
    zero = np.zeros((len(key), blocks), np.uint64)
    a, b, c, d = zero + counter, zero, zero, zero
    key_0, key_1 = key[:, :1], key[:, 1:]
    for _ in range(10):
        (high_a, low_a), (high_c, low_c) = _product(0xD2E7470EE14C6C93, a), _product(0xCA5A826395121157, c)
        a, b, c, d = high_c ^ b ^ key_0, low_c, high_a ^ d ^ key_1, low_a
        key_0, key_1 = key_0 + np.uint64(0x9E3779B97F4A7C15), key_1 + np.uint64(0xBB67AE8584CAA73B)
    return np.stack([a, b, c, d], axis=-1).reshape(len(key), 4 * blocks)


def _product(factor: int, value: Words) -> tuple[Words, Words]:
    """The upper and the lower half of a product of 64 by 64 bits."""
    half, low = np.uint64(32), np.uint64(2**32 - 1)
    f_high, f_low = np.uint64(factor >> 32), np.uint64(factor % 2**32)
    v_high, v_low = value >> half, value & low
    middle = f_high * v_low + (f_low * v_low >> half)  # below 2^64
    rest = f_low * v_high + (middle & low)
    return f_high * v_high + (middle >> half) + (rest >> half), np.uint64(factor) * value
