"""Copied spans are found wherever they stand, and chance finds none; figures of manner are what they say."""

import numpy as np
import pytest

from ornstein.data.copies import SHINGLE, Copies
from ornstein.errors import OrnsteinError
from ornstein.evaluate.texts.manner import distinct, manner

WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]


def prose(seed: int, count: int) -> list[str]:
    return list(np.random.default_rng(seed).choice(WORDS, count))


TRAINED = prose(0, 5000)
COPIES = Copies.of([" ".join(TRAINED[k : k + 50]).capitalize() + "." for k in range(0, 5000, 50)])


def test_a_copied_span_is_found_with_its_place():
    copied = ", ".join(TRAINED[130:160]).upper()  # over a seam of passages, in other letters and marks
    text = f"{' '.join(prose(1, 40))} «{copied}» {' '.join(prose(7, 40))}"
    (span,) = COPIES.spans(text)
    assert text[span.start : span.end] == copied
    assert span.words == COPIES.longest(text) == 30


def test_shorter_than_asked_for_is_no_copy():
    text = " ".join(prose(1, 40) + TRAINED[200:215] + prose(2, 40))
    assert not COPIES.spans(text)
    assert [span.words for span in COPIES.spans(text, 12)] == [15]


def test_chance_finds_nothing():
    text = " ".join(prose(3, 20_000))
    assert COPIES.share(text) < 0.03
    assert not COPIES.spans(text)
    assert not COPIES.spans("too short")


def test_saved_and_read_it_is_the_same():
    again = Copies.load(COPIES.save(), "index")
    assert np.array_equal(again.bits, COPIES.bits)
    for data in (b"", b"nothing", COPIES.save()[:-3]):
        with pytest.raises(OrnsteinError, match="holds no index"):
            Copies.load(data, "index")


def test_manner_tells_copies_repetition_and_entropy():
    same = manner(["one two one two one two one two one two"], COPIES)
    assert same.entropy == pytest.approx(1.0)
    assert same.distinct_2 == pytest.approx(2 / 9)
    copied = manner([" ".join(TRAINED[:40]), " ".join(prose(5, 40))], COPIES)
    assert copied.longest == 40
    assert copied.long == 0.5
    assert copied.copied == pytest.approx(0.5, abs=0.05)
    assert distinct([["a", "b", "c"]], 2) == 1.0
    with pytest.raises(OrnsteinError, match="no words"):
        manner(["…"], COPIES)
    assert SHINGLE == 8
