"""Books in either database, with a store in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ornstein.guard.policy import Records
from ornstein.serve.books import Books
from tests.serve.books.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server."""
    if not PostgresServer.installed():
        pytest.skip("no PostgreSQL server is installed")
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'books.sqlite3'}"
    return request.getfixturevalue("postgres").database()


@pytest.fixture
def opened(url: str, tmp_path: Path) -> Iterator[Callable[..., Books]]:
    """Opens books on the same database and store, as often as it is called; prompts are kept in clear."""
    made: list[Books] = []

    def open_(**options: object) -> Books:
        given = {"store": str(tmp_path / "store"), "kept": Records(prompts="clear"), **options}
        made.append(Books.open(url, **given))
        return made[-1]

    yield open_
    for books in made:
        books.close()


@pytest.fixture
def books(opened: Callable[..., Books]) -> Books:
    """Books in which prompts are kept in clear."""
    return opened()
