"""How written text is made: figures that stand beside every score of it, since a score alone is easily flattered.

Text of few words repeated is likely under any model, and copied text is likelier still. So a score of likelihood is
told with the entropy of the words, the share of distinct runs of words, and how much was copied from training.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ornstein.data.copies import LONG, Copies
from ornstein.data.text import words
from ornstein.errors import OrnsteinError


@dataclass(frozen=True)
class Manner:
    """Of a set of texts.

    Attributes:
        texts: how many. words: in all.
        entropy: of single words, bits. It grows with the number of words: compare sets of one size only.
        distinct_2, distinct_3: runs of so many words that differ, as a share of all such runs.
        copied: share of runs of eight words that stand in the training text.
        longest: words of the longest span copied, over all texts. long: share of texts with a span of 20 words copied.
    """

    texts: int
    words: int
    entropy: float
    distinct_2: float
    distinct_3: float
    copied: float
    longest: int
    long: float

    def as_dict(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)


def manner(texts: Sequence[str], copies: Copies) -> Manner:
    """Measure texts against the runs of words of the training text. Raises OrnsteinError: nothing to measure."""
    said = [words(text) for text in texts]
    every = [word for one in said for word in one]
    if not every:
        raise OrnsteinError("there are no words to measure")
    counts = np.array(list(Counter(every).values()), dtype=np.float64)
    shares = counts / counts.sum()
    longest = [copies.longest(text) for text in texts]
    return Manner(
        texts=len(texts), words=len(every), entropy=float(-(shares * np.log2(shares)).sum()),
        distinct_2=distinct(said, 2), distinct_3=distinct(said, 3),
        copied=float(np.average([copies.share(text) for text in texts], weights=[max(len(one), 1) for one in said])),
        longest=max(longest), long=sum(count >= LONG for count in longest) / len(longest),
    )  # fmt: skip


def distinct(said: Sequence[Sequence[str]], length: int) -> float:
    """Share of the runs of `length` words that differ (Li et al. 2016, arXiv 1510.03055); NaN where there are none."""
    runs = [tuple(one[k : k + length]) for one in said for k in range(len(one) - length + 1)]
    return len(set(runs)) / len(runs) if runs else math.nan
