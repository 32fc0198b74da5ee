"""Which spans of a text were copied from training: a small set of hashed runs of words, which gives none of them away.

A Bloom filter (Bloom 1970, doi 10.1145/362686.362692) holds every run of eight words of the training text: it never
misses one, and takes a run that is not there for one that is about once in a hundred times. A span counts as copied
when it is long enough to hold many runs in a row, so that chance plays no part.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ornstein.data.text import SHINGLE
from ornstein.errors import OrnsteinError

BITS = 10  # of the filter for each run, which makes 1% of false alarms with seven hashes
HASHES = 7
LONG = 20  # words: what counts as a copy where nothing else is said
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Span:
    """A copied part of a text: characters `start` to `end`, and how many words these are."""

    start: int
    end: int
    words: int


class Copies:
    """The runs of words of a training text.

    Args:
        bits: uint8, the filter.
    """

    def __init__(self, bits: np.ndarray) -> None:
        self.bits = bits

    @classmethod
    def of(cls, passages: Iterable[str]) -> Copies:
        """Of a training text; runs go on from a passage into the next."""
        words = [word for passage in passages for word in _WORD.findall(passage.lower())]
        runs = {" ".join(words[k : k + SHINGLE]) for k in range(len(words) - SHINGLE + 1)}
        bits = np.zeros(max(1, math.ceil(len(runs) * BITS / 8)), dtype=np.uint8)
        for run in runs:
            places = _places(run, bits.size * 8)
            np.bitwise_or.at(bits, places >> 3, _masks(places))
        return cls(bits)

    def spans(self, text: str, words: int = LONG) -> list[Span]:
        """The spans of at least `words` words, 8 or more, that stand in the training text as they are."""
        found = list(_WORD.finditer(text))
        known = [self._holds(found[k : k + SHINGLE]) for k in range(len(found) - SHINGLE + 1)]
        spans: list[Span] = []
        begin = None
        for k, hit in enumerate([*known, False]):
            if hit and begin is None:
                begin = k
            elif not hit and begin is not None:
                count = k - begin + SHINGLE - 1
                if count >= words:
                    spans.append(Span(found[begin].start(), found[k + SHINGLE - 2].end(), count))
                begin = None
        return spans

    def share(self, text: str) -> float:
        """Share of the text's runs of eight words that stand in the training text; 0 of a shorter one."""
        found = list(_WORD.finditer(text))
        runs = [found[k : k + SHINGLE] for k in range(len(found) - SHINGLE + 1)]
        return sum(map(self._holds, runs)) / max(len(runs), 1)

    def longest(self, text: str) -> int:
        """Words of the longest copied span; 0 where none has eight."""
        return max((span.words for span in self.spans(text, SHINGLE)), default=0)

    def save(self) -> bytes:
        """As the bytes of a safetensors file."""
        from safetensors.numpy import save

        return save({"runs": self.bits})

    @classmethod
    def load(cls, data: bytes, where: str) -> Copies:
        """Read what ``save`` wrote. Raises OrnsteinError."""
        from safetensors.numpy import load

        try:
            bits = load(data)["runs"]
        except Exception as error:  # safetensors raises its own types
            raise OrnsteinError(f"{where} holds no index of copied text ({error})") from error
        if bits.dtype != np.uint8 or bits.ndim != 1 or not bits.size:
            raise OrnsteinError(f"{where} holds no index of copied text")
        return cls(bits)

    def _holds(self, run: list[re.Match[str]]) -> bool:
        places = _places(" ".join(word[0].lower() for word in run), self.bits.size * 8)
        return bool((self.bits[places >> 3] & _masks(places)).all())


def _places(run: str, size: int) -> np.ndarray:
    """Bits of a run: two halves of a hash make as many as are wanted (Kirsch and Mitzenmacher 2006)."""
    digest = hashlib.blake2b(run.encode(), digest_size=16).digest()
    first, second = (int.from_bytes(part, "little") for part in (digest[:8], digest[8:]))
    return np.array([(first + k * second) % size for k in range(HASHES)], dtype=np.int64)


def _masks(places: np.ndarray) -> np.ndarray:
    return (1 << (places & 7)).astype(np.uint8)
