"""What a generated table gives away about single people: attacks of Anonymeter (Giomi et al. 2023, 2211.10459).

**Inference**: an attacker knows all of a real row but one cell, and guesses it from the nearest generated row.
**Singling out**: an attacker makes a predicate that one generated row alone meets (category equal; number at least or
at most, whichever is rarer) and hopes that one real person alone meets it too.

Both are run against training rows and against as many held-out rows. What works on both is what the table says about
everybody; only the surplus on training rows, as a share of what was left to gain, is what training leaked:
risk = (r_train - r_held) / (1 - r_held). Written out here: the library asks for numpy below 1.27.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ornstein.evaluate.estimate import Estimate, wilson
from ornstein.evaluate.tables.columns import Coded, Reading
from ornstein.evaluate.tables.membership import at_once
from ornstein.evaluate.tables.space import Space, nearest
from ornstein.rng import stream

TOLERANCE = 0.05  # a guessed number is right within this share of the true one
TOLD = 4  # columns of a predicate
ENOUGH, TRIES = 500, 5000  # predicates that single out a generated row; predicates tried


@dataclass(frozen=True)
class Risk:
    """An attack on rows trained on, beside the same attack on rows that were not.

    Attributes:
        train: how often it succeeds on training rows. held_out: on held-out rows.
        leaked: the surplus as a share of what was left to gain; below 0 is chance.
    """

    train: Estimate
    held_out: Estimate
    leaked: Estimate


def risk(train: np.ndarray, held_out: np.ndarray, attacks: int = 1) -> Risk:
    """From successes (N,) and (M,), bool; intervals hold for so many attacks at once.

    That of the surplus adds the widths of both shares in squares.
    """
    first, second = (
        Estimate(float(hits.mean()), *wilson(int(hits.sum()), hits.size, at_once(attacks)), hits.size)
        for hits in (train, held_out)
    )
    left = max(1e-9, 1 - second.value)
    value = (first.value - second.value) / left
    down = np.hypot(first.value - first.low, second.high - second.value) / left
    up = np.hypot(first.high - first.value, second.value - second.low) / left
    leaked = Estimate(value, max(-1.0, value - down), min(1.0, value + up), first.count + second.count)
    return Risk(first, second, leaked)


def inference(
    reading: Reading, space: Space, train: Coded, held_out: Coded, synthetic: Coded, seed: int = 0
) -> dict[str, Risk]:
    """How often each column is guessed from all others, by name."""
    order = stream("inference", seed).permutation(len(train))[: len(held_out)]
    mine, points = train[order], space(synthetic)
    found: dict[str, Risk] = {}
    names = [*reading.numbers, *reading.kinds]
    for name in names:
        known = space.without(name)
        right: list[np.ndarray] = []
        for rows in (mine, held_out):
            guess = synthetic[nearest(space(rows)[:, known], points[:, known])[1][:, 0].numpy()]
            right.append(_right(reading, name, guess, rows))
        found[name] = risk(*right, attacks=len(names))
    return found


def _right(reading: Reading, name: str, guess: Coded, truth: Coded) -> np.ndarray:
    if name in reading.kinds:
        place = reading.kinds.index(name)
        return guess.kinds[:, place] == truth.kinds[:, place]
    place = reading.numbers.index(name)
    a, b = guess.numbers[:, place], truth.numbers[:, place]
    return (np.abs(a - b) <= TOLERANCE * np.abs(b)) | (np.isnan(a) & np.isnan(b))


def singling_out(train: Coded, held_out: Coded, synthetic: Coded, seed: int = 0) -> Risk | None:
    """How often a predicate that singles out a generated row singles out a real one; None where none singles out.

    As many training rows as there are held-out ones are looked at, for in fewer rows more is single; who is not among
    them cannot be found, so of a larger training table this is a lower bound.
    """
    random = stream("singling out", seed)
    mine = train[random.permutation(len(train))[: len(held_out)]]
    width = synthetic.numbers.shape[1] + synthetic.kinds.shape[1]
    middle = np.nan_to_num(_medians(synthetic.numbers))
    hits: tuple[list[bool], list[bool]] = ([], [])
    for _ in range(TRIES):
        if len(hits[0]) == ENOUGH:
            break
        row = synthetic[random.integers(0, len(synthetic), 1)]
        columns = random.permutation(width)[:TOLD]
        if _meets(row, columns, middle, synthetic).sum() == 1:
            for found, rows in zip(hits, (mine, held_out), strict=True):
                found.append(bool(_meets(row, columns, middle, rows).sum() == 1))
    return risk(np.array(hits[0]), np.array(hits[1])) if hits[0] else None


def _medians(numbers: np.ndarray) -> np.ndarray:
    held = [values[~np.isnan(values)] for values in numbers.T]
    return np.array([np.median(values) if len(values) else 0.0 for values in held])


def _meets(row: Coded, columns: np.ndarray, middle: np.ndarray, rows: Coded) -> np.ndarray:
    """Which rows meet the predicate made of some columns of one row, (N,) bool."""
    met = np.ones(len(rows), bool)
    for k in columns:
        if k >= len(middle):
            met &= rows.kinds[:, k - len(middle)] == row.kinds[0, k - len(middle)]
        elif np.isnan(value := row.numbers[0, k]):
            met &= np.isnan(rows.numbers[:, k])
        else:
            values = rows.numbers[:, k]
            met &= values >= value if value > middle[k] else values <= value
    return met


def worst(risks: dict[str, Risk]) -> tuple[str, Risk]:
    """The column that surely leaks most: by the lower end of its interval, for rare values scatter widely."""
    return max(risks.items(), key=lambda found: found[1].leaked.low)
