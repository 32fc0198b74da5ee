"""Can it be told from generated rows whether a real row was trained on? Attacks, and how often they are right.

An attacker has the generated table and a real row, and scores how likely it was a training row. Members are training
rows, the others real rows that were held out; 0.5 is chance. Other held-out rows are given to the attacker as knowledge
of the population. Three attacks: how near the nearest generated row is (distance to closest record); how much nearer
than the nearest row of the population, the density ratio of DOMIAS (van Breugel et al. 2023, arXiv 2302.12580) with
nearest neighbours for densities; and trees that tell generated rows from the population. A stronger attack than these
may exist: the figure is a lower bound of what leaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from torch import Tensor

from ornstein.evaluate.estimate import Estimate
from ornstein.evaluate.tables.auroc import auroc
from ornstein.evaluate.tables.columns import Coded, Reading
from ornstein.evaluate.tables.space import Space, nearest
from ornstein.evaluate.tables.trees import Inputs, classifier
from ornstein.rng import stream

ATTACKS = "nearest generated row", "density ratio", "trees"
NEIGHBOURS = 5  # whose mean distance stands for a density
SMALL = 1e-3  # added to distances before they are divided


@dataclass(frozen=True)
class Membership:
    """AUROC of each attack, and of the one that is right most often."""

    attacks: dict[str, Estimate]

    @property
    def strongest(self) -> tuple[str, Estimate]:
        """Name and AUROC of the attack with the highest; of several at chance one is above 0.5 by chance."""
        return max(self.attacks.items(), key=lambda attack: attack[1].value)


def membership(
    reading: Reading, space: Space, train: Coded, held_out: Coded, synthetic: Coded, seed: int = 0
) -> Membership:
    """Attack a table, twice: each half of `held_out` is once the attacker's knowledge, once rows that were no members.

    Intervals are widened for the choice of the strongest of all attacks, so that it exceeds chance by chance no more
    often than one would.
    """
    random = stream("membership", seed)
    made, deviations = space(synthetic), at_once(len(ATTACKS))
    halves = [random.permutation(len(rows)) % 2 == 1 for rows in (train, held_out)]
    scores: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {name: ([], []) for name in ATTACKS}
    for half in (False, True):
        known = held_out[halves[1] != half]
        judge = _told_apart(reading, synthetic, known, seed)
        for side, rows in enumerate((train[halves[0] == half], held_out[halves[1] == half])):
            points = space(rows)
            near = nearest(points, made)[0][:, 0].numpy()
            for name, found in zip(
                ATTACKS, (-near, _ratio(points, made, space(known)), judge(rows)), strict=True
            ):
                scores[name][side].append(found)
    return Membership({
        name: auroc(np.concatenate(members), np.concatenate(others), deviations)
        for name, (members, others) in scores.items()
    })  # fmt: skip


def at_once(count: int) -> float:
    """Standard deviations of an interval, of which `count` hold at once in 95% of cases (Bonferroni)."""
    return NormalDist().inv_cdf(1 - 0.025 / count)


def _ratio(points: Tensor, made: Tensor, population: Tensor) -> np.ndarray:
    """How much denser generated rows lie about each point than those of the population, as a ratio of distances."""
    k = min(NEIGHBOURS, len(made), len(population))
    there, here = (nearest(points, rows, k)[0].mean(1).numpy() for rows in (population, made))
    return (there + SMALL) / (here + SMALL)


def _told_apart(reading: Reading, synthetic: Coded, known: Coded, seed: int) -> Callable[[Coded], np.ndarray]:
    """Trees that tell generated rows from the population: how likely they hold each row for a generated one."""
    inputs = Inputs(reading)
    x = np.concatenate([inputs(synthetic), inputs(known)])
    trees = classifier(inputs, x, np.arange(len(x)) < len(synthetic), seed)
    return lambda rows: trees.predict_proba(inputs(rows))[:, 1]
