"""The steps make the tables that the code works with, once, by whoever comes first."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from ornstein.serve.books import Books, BooksError
from ornstein.serve.books.database import Database
from ornstein.serve.books.migrations import migrate
from ornstein.serve.books.tables import Table
from tests.serve.books.kept import finished


def test_the_steps_make_the_tables_of_the_code(url: str):
    database = Database(url)
    assert migrate(database)[0] is None
    with database.reading() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []


def test_several_servers_that_start_at_once_migrate_once(url: str, tmp_path):
    failed: list[Exception] = []

    def start() -> None:
        try:
            Books.open(url, store=tmp_path).close()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    books = Books.open(url, store=tmp_path, migrate=False)
    finished(books, "r")
    assert migrate(books.database)[0] is not None  # nothing to do, nothing lost
    assert books.request("ann", "r") is not None


def test_a_new_file_that_another_program_writes_is_waited_for(tmp_path):
    file = tmp_path / "books.sqlite3"
    writing = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    writing.execute(
        "BEGIN IMMEDIATE"
    )  # SQLite refuses at once to turn the journal over, whatever patience it has
    done = threading.Timer(0.3, writing.close)
    done.start()
    with Database(f"sqlite:///{file}").reading() as session:
        session.connection()
    done.join()


def test_tables_of_another_version_are_refused(url: str, tmp_path):
    with pytest.raises(BooksError, match="ornstein books migrate"):
        Books.open(url, store=tmp_path, migrate=False)
    books = Books.open(url, store=tmp_path)
    with books.database.writing() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for brought_up in (True, False):
        with pytest.raises(BooksError, match="later version"):
            Books.open(url, store=tmp_path, migrate=brought_up)


def test_a_table_that_is_gone_is_no_traceback(url: str, tmp_path):
    books = Books.open(url, store=tmp_path)
    with books.database.writing() as session:
        session.connection().exec_driver_sql("DROP TABLE settings")
    with pytest.raises(BooksError, match="ornstein books migrate"):
        books.secret("urls")
