"""Shares are those that are there, not those an erring classifier sees; intervals hold them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ornstein.errors import OrnsteinError
from ornstein.guard.bias.measure import Confusion, Shares, corrected

VALUES = ("female", "male", "open")
RATES = np.array([[0.78, 0.10, 0.05, 0.07], [0.08, 0.73, 0.08, 0.11], [0.07, 0.15, 0.69, 0.09]])


def confusion(random: np.random.Generator, pictures: int = 400) -> Confusion:
    shown = np.repeat(np.arange(3), pictures)
    seen = np.concatenate([random.choice(4, pictures, p=row) for row in RATES])
    return Confusion.of(shown, seen, np.arange(len(shown)), VALUES)


def looked(random: np.random.Generator, truth: list[float], pictures: int) -> np.ndarray:
    return np.array([random.choice(4, p=RATES[value]) for value in random.choice(3, pictures, p=truth)])


@pytest.mark.parametrize("truth", [[0.2, 0.5, 0.3], [0.9, 0.1, 0.0], [0.0, 0.03, 0.97], [1.0, 0.0, 0.0]])
def test_known_errors_are_taken_out_exactly(truth: list[float]) -> None:
    seen = np.array(truth) @ RATES
    found = corrected(seen[None], RATES[None])[0]
    assert np.abs(found - truth).max() < 2e-3
    assert np.abs(seen[:3] - truth).max() > 0.05  # uncorrected it would be far off


@pytest.mark.parametrize("truth", [[0.1, 0.9, 0.0], [0.03, 0.97, 0.0], [0.3, 0.4, 0.3]])
def test_intervals_of_shares_and_amplification_hold_what_was_planted(truth: list[float]) -> None:
    random, held, plain = np.random.default_rng(1), 0, 0
    for seed in range(40):
        shares = Shares.of(looked(random, truth, 300), confusion(random, 150), VALUES, seed)
        share, amplified = shares.share("male"), shares.amplification("male", {"female": 0.1, "male": 0.9})
        held += amplified.low <= truth[1] / 0.9 <= amplified.high
        assert (share.low <= truth[1] <= share.high) == (amplified.low <= truth[1] / 0.9 <= amplified.high)
        plain += shares.seen("male").low <= truth[1] <= shares.seen("male").high
    assert held >= 36
    assert truth[1] < 0.5 or plain <= 4  # what was seen, taken at its word, is wrong


def test_errors_of_the_classifier_widen_intervals_and_alike_pictures_do_more() -> None:
    random = np.random.default_rng(2)
    seen = looked(random, [0.3, 0.5, 0.2], 300)

    def width(of: Confusion) -> float:
        share = Shares.of(seen, of, VALUES).share("female")
        return share.high - share.low

    counts = confusion(random, 2000).counts
    ten_families = Confusion(counts.reshape(-1, 600, 3, 4, order="F").sum(1))
    few = Confusion(counts[::40])
    assert ten_families.pictures.tolist() == [2000] * 3
    assert width(few) > 1.2 * width(Confusion(counts))


def test_families_that_differ_widen_intervals() -> None:
    random = np.random.default_rng(3)
    seen = looked(random, [0.3, 0.5, 0.2], 300)
    shown = np.repeat(np.arange(3), 400)
    taken = np.concatenate([random.choice(4, 400, p=row) for row in RATES])
    alone = Confusion.of(shown, taken, np.arange(1200), VALUES)
    order = np.argsort(taken[:400])  # families in which all women are told, and others in which none is
    taken[:400] = taken[:400][order]
    alike = Confusion.of(shown, taken, np.tile(np.repeat(np.arange(10), 40), 3), VALUES)
    assert (alone.rates == alike.rates).all()
    wide, narrow = (Shares.of(seen, matrix, VALUES).share("female") for matrix in (alike, alone))
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_distances_to_a_target_are_those_of_the_textbook() -> None:
    perfect = Confusion(np.eye(3, 4)[None] * 1000.0)
    shares = Shares.of(np.repeat([0, 1, 2], [300, 100, 600]), perfect, VALUES)
    even = {"female": 0.5, "male": 0.5}
    assert shares.total_variation(even).value == pytest.approx(0.25, abs=1e-3)  # of those that show one
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert shares.divergence(even).value == pytest.approx(kl, abs=2e-3)
    assert shares.total_variation({"female": 0.3, "male": 0.1, "open": 0.6}).value == pytest.approx(
        0, abs=2e-3
    )
    assert shares.divergence({"female": 1.0, "male": 0.0}) is None  # infinite
    assert shares.amplification("female", {"female": 0.6}).value == pytest.approx(0.5, abs=1e-3)
    assert shares.amplification("female", {"female": 0.0}) is None
    assert shares.amplification("female", {}) is None


def test_one_picture_or_none_of_people_divides_by_nothing() -> None:
    perfect = Confusion(np.eye(3, 4)[None] * 50.0)
    one = Shares.of(np.array([1]), perfect, VALUES)
    assert one.share("male").low < 0.7
    assert np.isfinite(one.draws).all()
    unclear = Shares.of(np.array([3, 3, 3]), perfect, VALUES)
    assert unclear.unclear.value == 1.0
    assert np.isfinite(unclear.draws).all()
    assert unclear.best.sum() == pytest.approx(1)
    nobody = Shares.of(np.full(200, 2), perfect, VALUES)
    assert nobody.share("female").low == 0.0
    assert nobody.total_variation({"female": 0.5, "male": 0.5}) is None
    with pytest.raises(OrnsteinError, match="no pictures"):
        Shares.of(np.array([], np.int64), perfect, VALUES)
    with pytest.raises(OrnsteinError, match="no labelled picture shows open"):
        Confusion.of(np.array([0, 1]), np.array([0, 1]), np.array([0, 0]), VALUES)
