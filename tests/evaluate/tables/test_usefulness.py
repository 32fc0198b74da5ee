"""Worth as training data: real rows are worth themselves, rows without trends are worth nothing."""

import numpy as np
import pytest

from ornstein.errors import UsageError
from ornstein.evaluate.tables.columns import Reading, describe
from ornstein.evaluate.tables.usefulness import usefulness

from .made import independent, table

TRAIN, TEST, FRESH = table(1000, 31), table(800, 32), table(1000, 33)
READING = Reading(describe(TRAIN), TRAIN)


def found(synthetic, target):
    return usefulness(READING, READING(TRAIN), READING(TEST), READING(synthetic), target)


@pytest.mark.parametrize(("target", "measure"), [("ill", "AUROC"), ("size", "AUROC"), ("weight", "R²")])
def test_the_training_rows_are_worth_themselves(target, measure):
    same = found(TRAIN, target)
    assert same.measure == measure
    assert same.lost.value == same.lost.low == same.lost.high == 0
    assert same.synthetic == same.real


@pytest.mark.parametrize("target", ["ill", "weight"])
def test_fresh_rows_of_the_same_law_are_worth_as_much(target):
    fresh = found(FRESH, target)
    assert fresh.lost.low < 0.01
    assert abs(fresh.lost.value) < 0.04
    assert fresh.lost.high - fresh.lost.low < fresh.real.high - fresh.real.low  # drawn together


def test_a_shuffled_target_is_chance():
    scores = [
        found(
            FRESH.assign(ill=np.random.default_rng(k).permutation(FRESH["ill"].to_numpy())), "ill"
        ).synthetic.value
        for k in range(8)
    ]  # each takes some side by chance
    assert abs(np.mean(scores) - 0.5) < 0.06
    assert found(FRESH, "ill").real.low > 0.8
    assert (
        found(independent(FRESH, 0), "weight").synthetic.value < 0.1 < 0.6 < found(FRESH, "weight").real.low
    )


def test_a_table_that_forgot_a_class_is_worth_chance_for_it():
    assert found(FRESH[FRESH["ill"] == "no"], "ill").synthetic.value == 0.5
    some = found(FRESH[FRESH["size"] != "large"], "size")
    assert some.lost.low > 0.1


def test_targets_with_nothing_to_foretell_are_refused():
    with pytest.raises(UsageError, match="did you mean 'weight'"):
        found(FRESH, "wieght")
    constant = TRAIN.assign(town="Ulm")
    reading = Reading(describe(constant), constant)
    with pytest.raises(UsageError, match="one value"):
        usefulness(reading, reading(constant), reading(TEST.assign(town="Ulm")), reading(constant), "town")
