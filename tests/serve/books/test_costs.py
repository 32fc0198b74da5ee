"""Sums are right however they are split, and over whatever days."""

from __future__ import annotations

from itertools import combinations

import pytest

from ornstein.drawing import Spent
from ornstein.errors import UsageError
from ornstein.serve.books import Books, Charge
from tests.serve.books.kept import accepted, day, made


@pytest.fixture
def busy(books: Books) -> Books:
    """Thirty requests over five days, of two keys, for two models, in two currencies, some refused, one running."""
    for k in range(30):
        key, model = ("ann", "bob")[k % 2], ("emoji", "fashion")[k % 3 == 0]
        books.accept(accepted(f"r{k}", key, model=model, created=day(k % 5)))
        outputs = [made(books, f"o{k}")] if k % 7 else []
        charge = Charge(joules=k, measured=k % 4 == 0, price=k / 100, currency="EUR" if k == 29 else "USD")
        books.finish(f"r{k}", "done" if outputs else "refused", outputs, (), Spent(k, 1.0, 2.0, 3.0), charge)
    books.accept(accepted("running"))
    return books


def test_the_sums_of_every_split_are_the_same(busy: Books):
    axes = ("day", "key", "model")
    for count in range(4):
        for by in combinations(axes, count):
            lines = busy.costs(by=by)
            assert sum(line.requests for line in lines) == 30
            assert sum(line.pictures for line in lines) == 25
            assert sum(line.evaluations for line in lines) == sum(range(30))
            assert sum(line.guarded for line in lines) == pytest.approx(90)
            assert sum(line.joules for line in lines) == pytest.approx(sum(range(30)))
            assert sum(line.measured for line in lines) == pytest.approx(sum(range(0, 30, 4)))
            assert sum(line.price for line in lines if line.currency == "USD") == pytest.approx(
                sum(range(29)) / 100
            )
            assert [line.price for line in lines if line.currency == "EUR"] == [pytest.approx(0.29)]
            assert all((getattr(line, axis) is None) == (axis not in by) for line in lines for axis in axes)


def test_a_period_holds_its_first_day_and_not_its_last(busy: Books):
    lines = busy.costs(day(1), day(3), by=("day",))
    assert {line.day for line in lines} == {"2026-03-02", "2026-03-03"}
    assert sum(line.requests for line in lines) == 12


def test_an_unknown_split_is_answered_with_the_nearest(books: Books):
    with pytest.raises(UsageError, match="did you mean 'model'"):
        books.costs(by=("modell",))
    assert books.costs() == []
