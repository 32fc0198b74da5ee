"""Is the right thing drawn? Where the right concept stands among real pictures of a style, nearest first.

A query is searched among all real pictures of one style. Its place is 1 if the nearest of them shows the right thing,
2 if one wrong picture lies nearer than every right one, and so on; R@k is the share of queries with a place up to k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from ornstein.evaluate.estimate import wilson


@dataclass(frozen=True)
class Search:
    """Where each query found the right thing.

    Attributes:
        places: (Q,) from 1. right: (Q,) how many right pictures there were to find. among: (Q,) of how many in all.
    """

    places: np.ndarray
    right: np.ndarray
    among: np.ndarray

    def recall(self, k: int) -> Recall:
        """R@k with its interval and its chance rate."""
        hits, count = int((self.places <= k).sum()), len(self.places)
        low, high = wilson(hits, count)
        return Recall(k, hits, count, hits / max(count, 1), low, high, chance(self.right, self.among, k))


@dataclass(frozen=True)
class Recall:
    """R@k of `count` queries: `rate`, its 95% interval (Wilson) and the rate of a search that picks at random."""

    k: int
    hits: int
    count: int
    rate: float
    low: float
    high: float
    chance: float


class Gallery:
    """Real pictures by style, to be searched.

    Args:
        features: (N, D), of the real pictures.
        styles: (N,) codes.
        meanings: (N,) codes of what is shown, whatever must not count (skin tone, gender) set aside.
        centre: subtract from each picture the mean of the real pictures of its own style, so that what all of a style
            share (outline, shading) does not count as likeness.
    """

    def __init__(self, features: Tensor, styles: np.ndarray, meanings: np.ndarray, centre: bool) -> None:
        self._rows = {int(style): np.flatnonzero(styles == style) for style in np.unique(styles)}
        self._meanings = meanings
        self._means = {
            style: features[torch.from_numpy(rows)].mean(0) if centre else torch.zeros(features.shape[1])
            for style, rows in self._rows.items()
        }
        self._directions = {
            style: self.direction(features[torch.from_numpy(rows)], style)
            for style, rows in self._rows.items()
        }

    def direction(self, features: Tensor, style: int) -> Tensor:
        """Features of pictures of one style as unit vectors, centred where this gallery centres."""
        return F.normalize(features - self._means[style], dim=-1)

    def search(
        self, features: Tensor, own: Sequence[int], within: Sequence[int], meanings: Sequence[int]
    ) -> Search:
        """Search pictures among the real ones of a style.

        Args:
            features: (Q, D), of the queries.
            own: style each query is in.
            within: style it is searched in; at least one picture there is right.
            meanings: what each should show.
        """
        queries = [self.direction(features[k], style) for k, style in enumerate(own)]
        asked, wanted = np.asarray(within, np.int64), np.asarray(meanings, np.int64)
        found = Search(*(np.zeros(len(queries), np.int64) for _ in range(3)))
        for style in np.unique(asked).tolist():
            chosen = np.flatnonzero(asked == style)
            similarity = torch.stack([queries[k] for k in chosen]) @ self._directions[style].T
            right = torch.from_numpy(wanted[chosen, None] == self._meanings[self._rows[style]])
            found.places[chosen] = places(similarity, right).numpy()
            found.right[chosen], found.among[chosen] = right.sum(1).numpy(), right.shape[1]
        return found


def places(
    similarity: Float[Tensor, "queries items"], right: Bool[Tensor, "queries items"]
) -> Int[Tensor, " queries"]:
    """Place, from 1, of the most similar right item of each query; ties go against it.

    Raises:
        ValueError: a query for which nothing is right.
    """
    if not right.any(1).all():
        raise ValueError("none of the pictures searched shows the right thing")
    best = similarity.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
    return 1 + ((similarity >= best) & ~right).sum(1)


def chance(right: np.ndarray, among: np.ndarray, k: int) -> float:
    """Mean probability that k different items drawn from `among` hold at least one of the `right`."""
    pairs = zip(right.tolist(), among.tolist(), strict=True)
    misses = [math.comb(n - m, min(k, n)) / math.comb(n, min(k, n)) for m, n in pairs]
    return 1.0 - float(np.mean(misses)) if misses else 0.0
