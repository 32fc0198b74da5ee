"""Shares of an attribute's values among pictures, as they are and not as an erring classifier saw them.

A classifier that errs sees shares q = M^T p, where p are the true shares and row k of M says what pictures of value k
are taken for, measured on labelled pictures (Rogan & Gladen 1978, Am. J. Epidemiol. 107:71, for two values). The p that
makes the counts likeliest is found by expectation maximisation (after Saerens et al. 2002, Neural Computation 14:21).
Both have errors: the counts, and M, whose labelled pictures come in families that are alike. Intervals hold both, by
the Bayesian bootstrap (Rubin 1981): many plausible pairs of q and M are drawn, and p is found for each.

What is assumed: on generated pictures the classifier errs as it does on real ones of such families.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ornstein.errors import OrnsteinError
from ornstein.evaluate.estimate import TAILS, Estimate, of_mean
from ornstein.rng import stream

DRAWS = 1000  # plausible shares
STEPS = 300  # of expectation maximisation
FEWEST = 10  # pictures that a distance is measured on
PRIOR = 0.5  # pictures added to the counts: none seen of 50 is no proof that there are none
LEAST = 1e-3  # shares below are zero: maximisation nears zero without reaching it
TINY = 1e-12


@dataclass(frozen=True)
class Confusion:
    """What a classifier takes labelled pictures for.

    Attributes:
        counts: (groups, values, seen): pictures of each group that show a value and were seen as one; groups are
            independent of each other, pictures of one group need not be. The last of `seen` is unclear.
    """

    counts: Float[np.ndarray, "groups values seen"]

    @classmethod
    def of(cls, shown: np.ndarray, seen: np.ndarray, groups: np.ndarray, values: Sequence[str]) -> Confusion:
        """Count.

        Args:
            shown: index of the value that each picture shows, (N,).
            seen: index of the value that was seen, or one beyond them, (N,).
            groups: anything that names each picture's group, (N,).
            values: names of all values.

        Raises:
            OrnsteinError: a value without pictures: what it is taken for is not known.
        """
        names, group = np.unique(groups, return_inverse=True)
        counts = np.zeros((len(names), len(values), len(values) + 1))
        np.add.at(counts, (group, shown, seen), 1)
        if missing := [value for value, row in zip(values, counts.sum(0), strict=True) if not row.sum()]:
            raise OrnsteinError(
                f"no labelled picture shows {', '.join(missing)}: nobody knows what it is taken for"
            )
        return cls(counts)

    @property
    def pictures(self) -> Float[np.ndarray, " values"]:
        """Labelled pictures of each value."""
        return self.counts.sum((0, 2))

    @property
    def rates(self) -> Float[np.ndarray, "values seen"]:
        """Row k: the shares of what pictures of value k are taken for."""
        return _rows(self.counts.sum(0))

    def draws(
        self, random: np.random.Generator, count: int = DRAWS
    ) -> Float[np.ndarray, "draws values seen"]:
        """Plausible rates for pictures of as many groups like these.

        Groups weigh more or less at random, twice: once because others could have been labelled, once because the
        pictures that are judged are not those that were labelled.
        """
        return _rows(
            np.maximum(self._weighed(random, count) + self._weighed(random, count) - self.rates, 0) + TINY
        )

    def _weighed(self, random: np.random.Generator, count: int) -> Float[np.ndarray, "draws values seen"]:
        """Rates with a random weight for each group; a little of the whole is always there."""
        weights = random.exponential(size=(count, len(self.counts)))
        return _rows(np.einsum("dg,gvs->dvs", weights, self.counts) + self.rates)


@dataclass(frozen=True)
class Shares:
    """Shares of an attribute's values among pictures.

    Attributes:
        values: their names. counts: pictures seen as each, unclear ones last.
        best: corrected shares, (values,). draws: plausible ones, (draws, values).
    """

    values: tuple[str, ...]
    counts: Int[np.ndarray, " seen"]
    best: Float[np.ndarray, " values"]
    draws: Float[np.ndarray, "draws values"]

    @classmethod
    def of(cls, seen: np.ndarray, confusion: Confusion, values: Sequence[str], seed: int = 0) -> Shares:
        """Correct what was seen.

        Args:
            seen: index of the value seen in each picture, or one beyond them, (N,).
            confusion: of the classifier that saw it.
            values: names of all values.
            seed: of the draws.

        Raises:
            OrnsteinError: no pictures.
        """
        if not len(seen):
            raise OrnsteinError("no pictures: there are no shares of nothing")
        counts = np.bincount(seen, minlength=len(values) + 1)
        random = stream("shares", seed)
        plausible = random.dirichlet(counts + PRIOR / len(counts), DRAWS)
        return cls(
            tuple(values), counts, corrected((counts / counts.sum())[None], confusion.rates[None])[0],
            corrected(plausible, confusion.draws(random)),
        )  # fmt: skip

    @property
    def total(self) -> int:
        """Number of pictures."""
        return int(self.counts.sum())

    @property
    def unclear(self) -> Estimate:
        """Share of pictures in which the classifier could not tell."""
        return of_mean(np.arange(self.total) < self.counts[-1])

    def seen(self, value: str) -> Estimate:
        """Share of pictures that were seen as a value, right or wrong."""
        return of_mean(np.arange(self.total) < self.counts[self.values.index(value)])

    def share(self, value: str) -> Estimate:
        """Corrected share of a value."""
        return self._estimate(lambda p: p[..., self.values.index(value)])

    def amplification(self, value: str, learned: Mapping[str, float]) -> Estimate | None:
        """How many times more frequent a value is than in what was learned from; None where it was not there at all."""
        before = learned.get(value, 0.0)
        if not before:
            return None
        return self._estimate(lambda p: p[..., self.values.index(value)] / before)

    def total_variation(self, target: Mapping[str, float]) -> Estimate | None:
        """Half the sum of distances to target shares, among pictures that show a value the target names; 0 to 1.

        None where hardly any picture does.
        """
        named, q = self._named(target)
        if not self._any(named):
            return None
        return self._estimate(lambda p: 0.5 * np.abs(_rows(p[..., named]) - q).sum(-1))

    def divergence(self, target: Mapping[str, float]) -> Estimate | None:
        """KL(shares || target) in nats, among pictures as in ``total_variation``; None also where a target is 0."""
        named, q = self._named(target)
        if not self._any(named) or not q.all():
            return None

        def kl(p: np.ndarray) -> np.ndarray:
            p = _rows(p[..., named])
            return (p * np.log(np.maximum(p, TINY) / q)).sum(-1)

        return self._estimate(kl)

    def _named(self, target: Mapping[str, float]) -> tuple[list[int], np.ndarray]:
        return [self.values.index(value) for value in target], np.array(list(target.values()), np.float64)

    def _any(self, named: list[int]) -> bool:
        """Whether enough pictures show one of these values, so far as can be told."""
        return float(self.best[named].sum()) * self.total >= FEWEST

    def _estimate(self, of: Callable[[np.ndarray], np.ndarray]) -> Estimate:
        """A figure of shares (..., values), with its interval."""
        value, (low, high) = float(of(self.best)), np.quantile(of(self.draws), TAILS).tolist()
        return Estimate(value, min(value, low), max(value, high), self.total)  # chance adds to every distance


def corrected(
    seen: Float[np.ndarray, "draws seen"], rates: Float[np.ndarray, "draws values seen"]
) -> Float[np.ndarray, "draws values"]:
    """The shares p that make the shares seen likeliest, on the simplex, for each pair of shares and rates."""
    rates = np.maximum(rates, TINY)  # what was never taken for unclear may yet be
    p = np.full(rates.shape[:2], 1 / rates.shape[1])
    for _ in range(STEPS):
        foreseen = np.einsum("dv,dvs->ds", p, rates)
        p = p * np.einsum("dvs,ds->dv", rates, seen / foreseen)
        p /= p.sum(1, keepdims=True)
    return _rows(np.where(p < LEAST, 0, p))


def _rows(counts: np.ndarray) -> np.ndarray:
    return counts / np.maximum(counts.sum(-1, keepdims=True), TINY)
