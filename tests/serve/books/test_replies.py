"""A request sent twice is carried out once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from ornstein.serve.books import Books, Reply, replies, values


def test_a_token_is_new_then_running_then_done(opened: Callable[..., Books]):
    books = opened().replies
    assert books.again("ann", "token", b'{"n": 1}').state == "new"
    assert books.again("ann", "token", b'{"n": 1}').state == "running"
    assert books.again("ann", "token", b'{"n": 2}').state == "conflict"
    assert books.again("bob", "token", b'{"n": 2}').state == "new"  # another key's tokens are its own
    books.remember("ann", "token", Reply(200, b"\x00\xffanything"))
    after_a_restart = opened().replies
    found = after_a_restart.again("ann", "token", b'{"n": 1}')
    assert (found.state, found.reply) == ("done", Reply(200, b"\x00\xffanything"))
    assert after_a_restart.again("ann", "token", b'{"n": 2}').state == "conflict"


def test_a_token_that_came_to_nothing_may_be_used_again(books: Books):
    books.replies.again("ann", "token", "body")
    books.replies.forget("ann", "token")
    assert books.replies.again("ann", "token", "another body").state == "new"


def test_a_day_later_a_token_is_new(books: Books, monkeypatch):
    books.replies.again("ann", "token", "body")
    books.replies.remember("ann", "token", Reply(200, b"x"))
    later = values.now() + timedelta(hours=24, minutes=1)
    monkeypatch.setattr(replies, "now", lambda: later)
    assert books.replies.again("ann", "token", "body").state == "new"


def test_of_many_at_once_one_is_new(opened: Callable[..., Books]):
    both = [opened().replies, opened().replies]
    found: list[str] = []
    barrier = threading.Barrier(12)

    def ask(k: int) -> None:
        barrier.wait()
        found.append(both[k % 2].again("ann", "token", "body").state)

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(found) == {"new": 1, "running": 11}


def test_any_token_will_do(books: Books):
    for token in ("", "x" * 10_000, "\0", "é", "\ud800"):
        assert books.replies.again("ann", token, "body").state == "new"
        assert books.replies.again("ann", token, "body").state == "running"
