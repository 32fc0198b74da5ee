"""A key does what it may while it may, and nobody reads its secret out of the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from ornstein.errors import UsageError
from ornstein.serve.books import Books, Limits, RateLimit
from ornstein.serve.books.values import now


def test_a_secret_finds_its_key_and_nothing_else_does(books: Books):
    limits = Limits(requests_per_minute=60, pictures_per_day=500, largest_side=512, share=2.0)
    key, secret = books.keys.create("studio", ("read", "generate"), limits)
    other, _ = books.keys.create("another", ("admin",))
    assert secret.startswith("orn_") and len(secret) == 47
    found = books.keys.find(secret)
    assert found == key and found.limits == limits and found.scopes == ("generate", "read")
    assert books.keys.list() == [key, other]
    for guess in (
        "",
        "orn_",
        secret[:-1],
        secret + "a",
        secret.lower(),
        secret[:-1] + "_",
        "orn_" + "é" * 43,
        key.id,
    ):
        assert books.keys.find(guess) is None or guess == secret


def test_no_secret_is_in_the_database(books: Books):
    _, secret = books.keys.create("studio", ("read",))
    with books.database.reading() as session:
        text = str(session.connection().exec_driver_sql("SELECT * FROM keys").all())
    assert secret[12:] not in text and secret[:8] in text


def test_a_revoked_key_ends_here_at_once_and_elsewhere_soon(opened: Callable[..., Books], monkeypatch):
    here, there = opened(), opened()
    key, secret = here.keys.create("studio", ("read",))
    assert here.keys.find(secret) == there.keys.find(secret) == key
    assert here.keys.revoke("studio").revoked is not None
    assert here.keys.find(secret) is None
    assert there.keys.find(secret) == key  # remembered
    later = time.monotonic() + 6
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert there.keys.find(secret) is None


def test_an_expired_key_ends_by_itself(books: Books):
    _, secret = books.keys.create("brief", ("read",), expires=now() + timedelta(seconds=2))
    assert books.keys.find(secret) is not None
    while now() < books.keys.list()[0].expires:
        time.sleep(0.05)
    assert books.keys.find(secret) is None


def test_keys_of_one_name_are_told_apart_by_id(books: Books):
    first, _ = books.keys.create("twin", ("read",))
    second, secret = books.keys.create("twin", ("read",))
    with pytest.raises(UsageError, match="several keys"):
        books.keys.revoke("twin")
    books.keys.revoke(first.id)
    assert books.keys.find(secret) == second
    assert books.keys.revoke("twin").id == second.id  # the only one left
    with pytest.raises(UsageError, match="no key"):
        books.keys.revoke("nobody")


@pytest.mark.parametrize(
    ("name", "scopes", "message"),
    [("", ("read",), "name"), ("x" * 101, ("read",), "name"), ("a\nb", ("read",), "name"), ("a", (), "scopes"),
     ("a", ("reed",), "did you mean 'read'")],
)  # fmt: skip
def test_a_key_that_cannot_be_meant_is_refused(
    books: Books, name: str, scopes: tuple[str, ...], message: str
):
    with pytest.raises(UsageError, match=message):
        books.keys.create(name, scopes)
    assert books.keys.list() == []


@pytest.mark.parametrize("limit", [{"share": 0.0}, {"requests_per_minute": -1}, {"share": float("nan")}])
def test_a_limit_that_cannot_be_meant_is_refused(limit: dict):
    with pytest.raises(UsageError, match="above 0"):
        Limits(**limit)


class Clock:
    """Seconds that pass when they are told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_lets_a_minutes_requests_through_and_then_one_at_a_time():
    clock = Clock()
    rate = RateLimit(clock)
    burst = [rate.take("ann", 6) for _ in range(8)]
    assert [each.allowed for each in burst] == [True] * 6 + [False] * 2
    assert [each.remaining for each in burst] == [5, 4, 3, 2, 1, 0, 0, 0]
    assert burst[-1].retry_after == pytest.approx(10) and burst[-1].reset == pytest.approx(60)
    assert rate.take("bob", 6).allowed  # each key has a bucket of its own
    clock.now += 9.9
    assert not rate.take("ann", 6).allowed
    clock.now += 0.2
    assert rate.take("ann", 6).allowed and not rate.take("ann", 6).allowed


def test_over_an_hour_no_more_than_the_rate_passes():
    clock = Clock()
    rate = RateLimit(clock)
    passed = 0
    for _ in range(36_000):  # ten a second
        passed += rate.take("ann", 30).allowed
        clock.now += 0.1
    assert 30 * 60 <= passed <= 30 * 61 + 1
