"""Attacks: copies are caught, fresh rows of the same law are not accused."""

import numpy as np
import pytest

from ornstein.evaluate.tables.columns import Reading, describe
from ornstein.evaluate.tables.copies import copies, neighbours
from ornstein.evaluate.tables.disclosure import inference, risk, singling_out, worst
from ornstein.evaluate.tables.membership import membership
from ornstein.evaluate.tables.space import Space

from .made import table

TRAIN, TEST, FRESH = table(600, 11), table(600, 12), table(600, 13)
READING = Reading(describe(TRAIN), TRAIN)
MINE, HELD, MADE = (READING(frame) for frame in (TRAIN, TEST, FRESH))
SPACE = Space(READING, MINE)


def test_membership_finds_memorised_rows():
    name, found = membership(READING, SPACE, MINE, HELD, MINE).strongest
    assert name == "nearest generated row"
    assert found.low > 0.98


def test_membership_finds_rows_that_were_blurred_a_little():
    random = np.random.default_rng(0)
    blurred = TRAIN.assign(
        height=TRAIN["height"] + random.normal(0, 0.5, 600), weight=TRAIN["weight"].round()
    )
    assert membership(READING, SPACE, MINE, HELD, READING(blurred)).strongest[1].low > 0.6


def test_membership_accuses_no_fresh_rows():
    """Of twelve tables whose rows are new, at most one is accused by intervals that hold for all attacks at once."""
    accused = [
        membership(READING, SPACE, MINE, HELD, READING(table(600, seed))).strongest[1].low > 0.5
        for seed in range(20, 32)
    ]
    assert sum(accused) <= 1


def test_half_a_leak_is_half_found():
    mixed = READING(table(600, 13))
    half = np.concatenate([np.arange(300)])
    leaked = READING(TRAIN.iloc[half])
    both = type(MINE)(
        np.concatenate([leaked.numbers, mixed.numbers[:300]]),
        np.concatenate([leaked.kinds, mixed.kinds[:300]]),
    )
    assert 0.68 < membership(READING, SPACE, MINE, HELD, both).attacks["nearest generated row"].value < 0.82


def test_cells_of_memorised_rows_are_guessed_and_those_of_fresh_rows_are_not():
    leaked = inference(READING, SPACE, MINE, HELD, MINE)
    assert set(leaked) == set(TRAIN)
    assert worst(leaked)[1].train.value > 0.95
    assert worst(leaked)[1].leaked.low > 0.5
    assert worst(inference(READING, SPACE, MINE, HELD, MADE))[1].leaked.low <= 0


def test_what_is_true_of_everybody_is_no_leak():
    """Size follows from height: it is guessed well, of strangers as of members."""
    found = inference(READING, SPACE, MINE, HELD, MADE)["size"]
    assert found.held_out.value > 0.8
    assert found.leaked.low < 0 < found.leaked.high


def test_predicates_single_out_those_who_were_copied():
    leaked, fresh = singling_out(MINE, HELD, MINE), singling_out(MINE, HELD, MADE)
    assert leaked.train.value == 1  # a predicate that one row of the copy meets, one training row meets
    assert leaked.leaked.low > 0.5
    assert fresh.leaked.low < 0 < fresh.leaked.high


def test_the_surplus_is_a_share_of_what_was_left_to_gain():
    found = risk(np.arange(1000) < 900, np.arange(1000) < 800)
    assert found.leaked.value == pytest.approx(0.5)
    assert 0.3 < found.leaked.low < 0.5 < found.leaked.high < 0.7
    many = risk(np.arange(1000) < 900, np.arange(1000) < 800, attacks=20)
    assert many.leaked.low < found.leaked.low


def test_copies_are_counted_beside_coincidences():
    found = copies(SPACE, MINE, HELD, MINE)
    assert found.copied.value == 1
    assert found.expected.value == found.repeated.value == 0
    assert found.nearer.value == 1
    assert 0.45 < copies(SPACE, MINE, HELD, MADE).nearer.value < 0.55


def test_a_copy_read_from_a_file_in_single_precision_is_a_copy():
    narrow = TRAIN.astype({"height": np.float32, "weight": np.float32, "income": np.float32})
    assert copies(SPACE, MINE, HELD, READING(narrow)).copied.value > 0.95  # some lie on an edge of rounding


def test_the_likeliest_copies_come_first():
    one = FRESH.copy()
    one.iloc[17] = TRAIN.iloc[3]
    (first, *_) = neighbours(SPACE, MINE, HELD, READING(one), 5)
    assert (first.made, first.train, first.to_train) == (17, 3, 0)
    assert first.to_held_out > 0
