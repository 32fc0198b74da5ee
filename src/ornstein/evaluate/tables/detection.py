"""Can a classifier tell generated rows from real ones? The test of Lopez-Paz and Oquab (2017, 1610.06545)."""

from __future__ import annotations

import numpy as np

from ornstein.evaluate.estimate import Estimate
from ornstein.evaluate.tables.auroc import auroc
from ornstein.evaluate.tables.columns import Coded, Reading
from ornstein.evaluate.tables.trees import Inputs, classifier
from ornstein.rng import stream

FOLDS = 5


def detection(reading: Reading, real: Coded, other: Coded, seed: int = 0) -> Estimate:
    """AUROC of boosted trees that tell `other` rows from `real` ones; 0.5 is best, less is chance.

    As many rows of each; each is judged by trees that did not see it. The interval is that of the rows, trees given.
    """
    random = stream("two-sample", seed)
    count = min(len(real), len(other))
    inputs = Inputs(reading)
    x = np.concatenate([inputs(rows[random.permutation(len(rows))[:count]]) for rows in (real, other)])
    made = np.arange(2 * count) >= count
    fold = np.concatenate([random.permutation(count) % FOLDS for _ in range(2)])
    scores = np.empty(2 * count)
    for k in range(FOLDS):
        mine = fold == k
        if mine.any():
            scores[mine] = classifier(inputs, x[~mine], made[~mine], seed).predict_proba(x[mine])[:, 1]
    return auroc(scores[made], scores[~made])
