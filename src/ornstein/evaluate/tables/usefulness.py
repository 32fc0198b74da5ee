"""What a generated table is worth as training data: train on it, test on real rows; beside training on real rows.

Boosted trees foretell one column from the others (Esteban et al. 2017, arXiv 1706.02633). A category is judged by
AUROC, of several classes the mean of each against the rest; a number by R², 1 minus the squared error by the variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from ornstein.errors import UsageError, nearest
from ornstein.evaluate.estimate import TAILS, Estimate
from ornstein.evaluate.tables.columns import Coded, Reading
from ornstein.evaluate.tables.trees import Inputs, classifier, regressor
from ornstein.rng import stream

ROUNDS = 200  # of the bootstrap over test rows
RARE = 5  # test rows a class needs to be judged


@dataclass(frozen=True)
class Usefulness:
    """Scores on the same real test rows.

    Attributes:
        measure: "AUROC" or "R²". synthetic: after training on generated rows. real: on real ones.
        lost: `real` minus `synthetic`, resampled together, so its interval is narrower than those of both suggest.
    """

    measure: str
    synthetic: Estimate
    real: Estimate
    lost: Estimate


def usefulness(
    reading: Reading, train: Coded, test: Coded, synthetic: Coded, target: str, seed: int = 0
) -> Usefulness:
    """Train on as many synthetic rows as there are real ones (or as there are), and test both.

    Raises:
        UsageError: no such column, or one in which there is nothing to foretell.
    """
    task = _Classes(reading, train, test, target, seed) if target in reading.kinds else (
        _Numbers(reading, train, test, target, seed)
    )  # fmt: skip
    made, real = task.foretell(synthetic[np.arange(min(len(train), len(synthetic)))]), task.foretell(train)
    random = stream("usefulness", seed)
    drawn = [random.integers(0, len(task.truth), len(task.truth)) for _ in range(ROUNDS)]
    scores = np.array([[task.score(made, rows), task.score(real, rows)] for rows in drawn])
    whole = np.arange(len(task.truth))
    values = [task.score(made, whole), task.score(real, whole)]
    return Usefulness(
        task.measure,
        _estimate(values[0], scores[:, 0], len(whole)),
        _estimate(values[1], scores[:, 1], len(whole)),
        _estimate(values[1] - values[0], scores[:, 1] - scores[:, 0], len(whole)),
    )


def _estimate(value: float, again: np.ndarray, count: int) -> Estimate:
    low, high = np.nanquantile(again, TAILS)
    return Estimate(value, float(low), float(high), count)


class _Classes:
    measure = "AUROC"

    def __init__(self, reading: Reading, train: Coded, test: Coded, target: str, seed: int) -> None:
        self.place, self.seed = reading.kinds.index(target), seed
        self.inputs, self.test = Inputs(reading, without=target), test
        self.truth = test.kinds[:, self.place]
        known, counts = np.unique(self.truth, return_counts=True)
        self.classes = [int(k) for k, n in zip(known, counts, strict=True) if RARE <= n <= len(test) - RARE]
        if not self.classes or len(np.unique(train.kinds[:, self.place])) < 2:
            raise UsageError(f"column {target!r} has one value in nearly all rows: choose another target")

    def foretell(self, rows: Coded) -> np.ndarray:
        """The chance of each judged class for each test row, (N, classes)."""
        labels = rows.kinds[:, self.place]
        found = np.zeros((len(self.test), len(self.classes)))
        if len(np.unique(labels)) < 2:
            return found
        trees = classifier(self.inputs, self.inputs(rows), labels, self.seed)
        chances = trees.predict_proba(self.inputs(self.test))
        for column, label in enumerate(self.classes):
            where = np.flatnonzero(trees.classes_ == label)
            if len(where):
                found[:, column] = chances[:, where[0]]
        return found

    def score(self, chances: np.ndarray, rows: np.ndarray) -> float:
        truth = self.truth[rows]
        # Of two classes one says all: the other's areas are the same.
        judged = self.classes[:1] if len(self.classes) == 2 else self.classes
        areas = [_area(chances[rows, k], truth == label) for k, label in enumerate(judged)]
        return float(np.nanmean(areas)) if np.isfinite(areas).any() else float("nan")


def _area(scores: np.ndarray, yes: np.ndarray) -> float:
    hits = int(yes.sum())
    if hits in (0, len(yes)):
        return float("nan")
    return (rankdata(scores)[yes].sum() - hits * (hits + 1) / 2) / (hits * (len(yes) - hits))


class _Numbers:
    measure = "R²"

    def __init__(self, reading: Reading, train: Coded, test: Coded, target: str, seed: int) -> None:
        if target not in reading.numbers:
            raise UsageError(
                f"there is no column {target!r}{nearest(target, [*reading.numbers, *reading.kinds])}"
            )
        self.place, self.seed = reading.numbers.index(target), seed
        self.inputs = Inputs(reading, without=target)
        self.test = test[~np.isnan(test.numbers[:, self.place])]
        self.truth = self.test.numbers[:, self.place]
        if len(np.unique(self.truth)) < 2 or np.isnan(train.numbers[:, self.place]).all():
            raise UsageError(f"column {target!r} has one value: choose another target")

    def foretell(self, rows: Coded) -> np.ndarray:
        """The number foretold for each test row, (N,)."""
        values = rows.numbers[:, self.place]
        held = ~np.isnan(values)
        if not held.any():
            return np.full(len(self.test), np.nanmean(self.truth))
        x = self.inputs(rows)[held]
        return regressor(self.inputs, x, values[held], self.seed).predict(self.inputs(self.test))

    def score(self, foretold: np.ndarray, rows: np.ndarray) -> float:
        truth = self.truth[rows]
        around = ((truth - truth.mean()) ** 2).sum()
        return float(1 - ((truth - foretold[rows]) ** 2).sum() / around) if around > 0 else float("nan")
