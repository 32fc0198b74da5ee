"""A database that does not answer is told of quickly, in one line, and used again as soon as it answers."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from ornstein.errors import UsageError
from ornstein.serve.books import Books, BooksDownError, BooksError
from tests.serve.books.kept import accepted, finished
from tests.serve.books.postgres import PostgresServer

ATTEMPTS = {
    "accept": lambda books: books.accept(accepted("new")),
    "finish": lambda books: books.finish("r", "failed"),
    "history": lambda books: books.history("ann"),
    "output": lambda books: books.output("ann", "r-0"),
    "find": lambda books: books.keys.find("orn_" + "x" * 43),
    "again": lambda books: books.replies.again("ann", "t", "b"),
    "costs": lambda books: books.costs(),
    "ping": lambda books: books.ping(),
}  # fmt: skip


def told(attempt: Callable[[], object], within: float) -> BooksError:
    """The error of an attempt, which is one line and comes in time."""
    started = time.monotonic()
    with pytest.raises(BooksError) as caught:
        attempt()
    assert time.monotonic() - started < within
    message = str(caught.value)
    assert "\n" not in message and "fox" not in message and "INSERT" not in message
    return caught.value


def test_a_server_that_stops_is_told_of_and_used_again(postgres: PostgresServer, tmp_path: Path):
    books = Books.open(postgres.database(), store=tmp_path)
    finished(books, "r")
    postgres.stop()
    try:
        for name, attempt in ATTEMPTS.items():
            error = told(lambda attempt=attempt: attempt(books), within=10)
            assert isinstance(error, BooksDownError), (name, error)
        down = told(lambda: Books.open(str(books.database.url), store=tmp_path), within=10)
        assert isinstance(down, BooksDownError)
    finally:
        postgres.start()
    assert books.request("ann", "r").outcome == "done"  # fsync is off in the tests, and yet: it was written
    books.accept(accepted("new"))
    books.close()


def test_a_server_that_is_not_there_is_no_traceback(tmp_path: Path):
    url = f"postgresql+psycopg://somebody:hunter2@/books?host={tmp_path}"
    error = told(lambda: Books.open(url, store=tmp_path), within=10)
    assert isinstance(error, BooksDownError) and "hunter2" not in str(error)


def test_a_locked_file_is_waited_for_a_moment_only(tmp_path: Path):
    file = tmp_path / "books.sqlite3"
    books = Books.open(f"sqlite:///{file}", store=tmp_path / "store")
    finished(books, "r")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert isinstance(told(lambda: books.accept(accepted("new")), within=12), BooksDownError)
    assert books.request("ann", "r").outcome == "done"  # readers need not wait for writers
    other.execute("ROLLBACK")
    books.accept(accepted("new"))


def test_a_file_that_cannot_be_written_is_told_of(tmp_path: Path):
    file = tmp_path / "books.sqlite3"
    books = Books.open(f"sqlite:///{file}", store=tmp_path / "store")
    finished(books, "r")
    books.close()
    # as root no mode of a file stops a writer; this does
    event.listen(books.database.engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only=ON"))
    assert isinstance(told(lambda: books.accept(accepted("new")), within=10), BooksDownError)
    assert books.request("ann", "r").outcome == "done"


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_holds_something_else_is_left_alone(tmp_path: Path, content: bytes):
    file = tmp_path / "books.sqlite3"
    file.write_bytes(content)
    told(lambda: Books.open(f"sqlite:///{file}", store=tmp_path / "store"), within=10)
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    "url", ["mysql://x/y", "books.sqlite3", "", "sqlite://", "sqlite:///", "://", "postgresql"]
)
def test_other_urls_are_a_mistake_of_usage(url: str, tmp_path: Path):
    with pytest.raises(UsageError, match="sqlite:///FILE"):
        Books.open(url or " ", store=tmp_path)
