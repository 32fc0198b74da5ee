"""Columns, pairs, classifiers and neighbourhoods: real rows score what real rows score, and each fault is seen."""

import numpy as np
import pandas as pd
import pytest
import torch

from ornstein.evaluate.tables.auroc import auroc
from ornstein.evaluate.tables.columns import Reading, describe
from ornstein.evaluate.tables.detection import detection
from ornstein.evaluate.tables.likeness import ks_complement, likeness, tv_complement
from ornstein.evaluate.tables.space import Space, nearest, nearest_others
from ornstein.evaluate.tables.support import alpha_precision, authenticity, beta_recall

from .made import independent, table

TRAIN, TEST, AGAIN = table(800, 1), table(800, 2), table(800, 3)
READING = Reading(describe(TRAIN), TRAIN)


def test_a_table_is_wholly_like_itself():
    found = likeness(READING, READING(TRAIN), READING(TRAIN))
    assert found.shape.value == found.trend.value == 1
    assert set(found.shapes) == set(TRAIN)
    assert len(found.trends) == 15


def test_other_rows_of_the_same_law_are_as_like_as_training_rows():
    test = READING(TEST)
    real = likeness(READING, test, READING(TRAIN))
    fresh = [likeness(READING, test, READING(table(800, seed))) for seed in range(3, 15)]
    for key, least in (("shape", 0.94), ("trend", 0.91)):
        found = [getattr(one, key).value for one in fresh]
        assert least < min(found) - 0.01 < getattr(real, key).value < max(found) + 0.02


def test_columns_on_their_own_keep_their_shape_and_lose_their_trends():
    test = READING(TEST)
    loose, real = (
        likeness(READING, test, READING(independent(TRAIN, 0))),
        likeness(READING, test, READING(TRAIN)),
    )
    assert loose.shape.value == pytest.approx(real.shape.value, abs=1e-9)
    for pair in (("height", "weight"), ("height", "size"), ("weight", "size"), ("weight", "ill")):
        assert loose.trends[pair] < real.trends[pair] - 0.1
    assert loose.trends["height", "income"] == pytest.approx(real.trends["height", "income"], abs=0.05)
    assert loose.trend.high < real.trend.low


def test_a_shifted_column_is_the_one_that_is_found():
    moved = TEST.assign(height=TEST["height"] + 10)
    found = likeness(READING, READING(TEST), READING(moved)).shapes
    assert min(found, key=lambda name: found[name]) == "height"
    # Shifted by a deviation, two normals differ most half way: by the chance of half a deviation on either side.
    assert found["height"] == pytest.approx(1 - 0.3829, abs=0.05)


def test_missing_cells_are_part_of_the_shape():
    values = np.arange(100.0)
    holes = np.where(values < 30, np.nan, values)
    assert ks_complement(values, holes) == pytest.approx(0.7)
    assert ks_complement(holes, holes) == 1


def test_scores_are_those_of_sdmetrics():
    column_pairs = pytest.importorskip("sdmetrics.column_pairs")
    single = pytest.importorskip("sdmetrics.single_column")
    a, b = READING(TRAIN), READING(independent(TEST, 0))
    frames = TRAIN, independent(TEST, 0)
    for name in ("height", "weight"):
        mine = ks_complement(*(x.numbers[:, READING.numbers.index(name)] for x in (a, b)))
        assert mine == pytest.approx(single.KSComplement.compute(*(f[name] for f in frames)), abs=1e-6)
    for name in ("size", "town"):
        mine = tv_complement(*(x.kinds[:, READING.kinds.index(name)] for x in (a, b)))
        assert mine == pytest.approx(single.TVComplement.compute(*(f[name] for f in frames)), abs=1e-6)
    found = likeness(READING, a, b).trends
    both = [f[["size", "ill"]] for f in frames]
    assert found["size", "ill"] == pytest.approx(column_pairs.ContingencySimilarity.compute(*both), abs=1e-6)
    both = [f[["height", "weight"]] for f in frames]
    theirs = column_pairs.CorrelationSimilarity.compute(*both, coefficient="Spearman")
    assert found["height", "weight"] == pytest.approx(theirs, abs=1e-4)  # six digits make a few ties


def test_a_classifier_cannot_tell_rows_of_one_law_apart():
    found = detection(READING, READING(TEST), READING(AGAIN))
    assert found.low < 0.5 < found.high


def test_a_classifier_sees_that_columns_are_independent():
    assert detection(READING, READING(TEST), READING(independent(TRAIN, 0))).low > 0.75


def test_precision_and_recall_tell_a_lost_mode_from_wild_rows():
    space = Space(READING, READING(TRAIN))
    real, good = space(READING(TEST)), space(READING(AGAIN))
    few = space(READING(AGAIN[AGAIN["size"] == "small"]))
    count = len(few)
    assert beta_recall(real[:count], few).high < beta_recall(real[:count], good[:count]).low
    wild = good + 3 * torch.randn(good.shape, generator=torch.Generator().manual_seed(0))
    assert alpha_precision(real, wild).high < 0.2 < 0.9 < alpha_precision(real, good).low


def test_copies_are_not_authentic_and_other_rows_are_as_unseen_rows():
    space = Space(READING, READING(TRAIN))
    train = space(READING(TRAIN))
    assert authenticity(train, train).value == 0
    assert 0.4 < authenticity(train, space(READING(TEST))).value < 0.6


def test_the_nearest_are_exact():
    points = torch.randn(300, 7, generator=torch.Generator().manual_seed(1)).double()
    doubled = torch.cat([points, points[:50]])
    distance, place = nearest(points, doubled, 3)
    every = (points[:, None] - doubled).norm(dim=2)
    assert torch.equal(distance, every.sort(1).values[:, :3])
    assert torch.equal(every.gather(1, place), distance)
    assert (nearest_others(doubled) == 0).sum() == 100


def test_the_area_under_the_curve_is_a_share_of_pairs_and_its_interval_covers():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        higher, lower = random.normal(1, 1, 60), random.normal(0, 1, 90)
        found = auroc(higher, lower)
        held += found.low <= 0.76025 <= found.high  # Phi(1 / sqrt 2)
    assert 0.92 < held / 300 < 0.98
    ties = auroc(np.array([1, 1, 2.0]), np.array([1, 0.0]))
    assert ties.value == pytest.approx((0.5 + 1 + 0.5 + 1 + 1 + 1) / 6)
    apart = auroc(np.arange(100) + 500.0, np.arange(100.0))
    assert (apart.value, apart.high) == (1, 1)
    assert 0.9 < apart.low < 1


def test_categories_are_the_same_whatever_type_a_file_gave_them():
    whole = pd.DataFrame({"a": [1, 2, 3], "b": [True, False, True]})
    read = Reading(describe(whole, {"a": "category"}), whole)
    other = pd.DataFrame({"a": ["1", "2", "7"], "b": ["True", "False", None]})
    assert read(other).kinds.tolist() == [
        [0, 1],
        [1, 0],
        [3, 3],
    ]  # 7 was not in training; a gap has a code of its own
    assert read(whole.astype({"a": float})).kinds[:, 0].tolist() == [0, 1, 2]
