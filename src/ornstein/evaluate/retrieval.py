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
from torch import Tensor
from torch.nn import functional as F

NORMAL_95 = 1.959964  # standard deviations that hold 95% of a normal distribution


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
        places, right, among = (np.zeros(len(features), np.int64) for _ in range(3))
        for k, (mine, style, meaning) in enumerate(zip(own, within, meanings, strict=True)):
            correct = torch.from_numpy(self._meanings[self._rows[style]] == meaning)
            similarity = self._directions[style] @ self.direction(features[k], mine)
            places[k] = place(similarity, correct)
            right[k], among[k] = int(correct.sum()), len(correct)
        return Search(places, right, among)


def place(similarity: Tensor, right: Tensor) -> int:
    """Place, from 1, of the most similar right item; ties go against it.

    Raises:
        ValueError: nothing is right.
    """
    if not right.any():
        raise ValueError("none of the pictures searched shows the right thing")
    return 1 + int(((similarity >= similarity[right].max()) & ~right).sum())


def chance(right: np.ndarray, among: np.ndarray, k: int) -> float:
    """Mean probability that k different items drawn from `among` hold at least one of the `right`."""
    pairs = zip(right.tolist(), among.tolist(), strict=True)
    misses = [math.comb(n - m, min(k, n)) / math.comb(n, min(k, n)) for m, n in pairs]
    return 1.0 - float(np.mean(misses)) if misses else 0.0


def wilson(hits: int, count: int, deviations: float = NORMAL_95) -> tuple[float, float]:
    """The Wilson interval of a share: honest near 0 and 1 and for few trials, unlike the normal one."""
    if count == 0:
        return 0.0, 1.0
    rate, square = hits / count, deviations**2
    middle = (rate + square / (2 * count)) / (1 + square / count)
    half = deviations / (1 + square / count) * math.sqrt(rate * (1 - rate) / count + square / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)
