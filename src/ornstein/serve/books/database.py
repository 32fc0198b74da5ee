"""The connection: SQLite or PostgreSQL, what each needs to lose nothing, and failures in one line.

SQLite writes ahead (WAL) and waits for the disk at every commit; writers take turns. PostgreSQL does both by itself. A
database that does not answer is given up within seconds, and asked again by the next call.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from ornstein.errors import MissingExtraError, OrnsteinError, UsageError
from ornstein.shelf import home

try:
    from sqlalchemy import URL, CursorResult, Engine, create_engine, event, exc, make_url, text
    from sqlalchemy.orm import Session
except ImportError as error:
    raise MissingExtraError("the books", "serve") from error

VARIABLE = "ORNSTEIN_DATABASE"
PATIENCE = 3  # seconds for a connection, a lock, a turn
POOL = 16  # connections kept; as many again are opened under load
LONGEST = 15  # seconds that PostgreSQL may work on a statement
RETRY_AFTER = 2.0


class BooksError(OrnsteinError):
    """The books cannot be used as they are."""


class BooksDownError(BooksError):
    """The database or the store does not answer; the same call may succeed after `retry_after` seconds."""

    retry_after = RETRY_AFTER


def default_url() -> str:
    """The database of ORNSTEIN_DATABASE, else a file beside the user's bundles."""
    return os.environ.get(VARIABLE) or f"sqlite:///{home().parent / 'books.sqlite3'}"


class Database:
    """Transactions on one database, for any number of threads.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://USER:PASSWORD@HOST/NAME``.

    Raises:
        UsageError: another kind of URL. MissingExtraError: PostgreSQL without its driver. BooksError: a folder that
            cannot be made.
    """

    def __init__(self, url: str) -> None:
        self.url = _read(url)
        self.name = self.url.render_as_string(hide_password=True)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(self.url) if self.is_sqlite else _postgresql(self.url)
        self._turn = threading.Lock()  # SQLite lets waiting writers in by chance; this lets them in by turn

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that changes nothing. Raises BooksDownError, BooksError."""
        with self._told(), Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is on the disk when it ends, or not at all. Raises BooksDownError, BooksError."""
        with self._told(), self._alone():
            bound = self.engine.execution_options(writes=True)
            with Session(bound, expire_on_commit=False) as session, session.begin():
                yield session

    def lock(self, session: Session, name: int, shared: bool = False) -> None:
        """Hold a lock until the transaction ends; under SQLite a writing transaction is alone anyway."""
        if not self.is_sqlite:
            suffix = "_shared" if shared else ""
            session.execute(text(f"SELECT pg_advisory_xact_lock{suffix}(:name)"), {"name": name})

    def wipe(self) -> None:
        """Take what was deleted out of SQLite's journal, where it would stay for a while; PostgreSQL's is its own."""
        if self.is_sqlite:
            with self._told():
                connection = self.engine.raw_connection()
                try:
                    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    connection.close()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        if not self._turn.acquire(timeout=PATIENCE):
            raise BooksDownError(f"the books {self.name} are busy: try again")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what the database refuses into one line that repeats no value."""
        try:
            yield
        except exc.TimeoutError as error:
            raise BooksDownError(f"the books {self.name} are busy: try again") from error
        except exc.DBAPIError as error:
            raise self._explained(error) from error
        except exc.SQLAlchemyError as error:
            raise BooksError(f"the books {self.name} cannot be used: {type(error).__name__}") from error

    def _explained(self, error: exc.DBAPIError) -> BooksError:
        what = (
            str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        )
        unreachable = isinstance(error, exc.OperationalError | exc.InterfaceError)
        if (unreachable and "no such table" not in what) or error.connection_invalidated:
            return BooksDownError(f"the books {self.name} cannot be reached: {what}")
        if isinstance(error, exc.DataError | exc.IntegrityError):
            what = f"they refuse a value ({type(error.orig).__name__})"  # the driver's own text may repeat it
        elif "no such table" in what or "UndefinedTable" in type(error.orig).__name__:
            what = "they are not of this version: ornstein books migrate"
        return BooksError(f"the books {self.name} cannot be used: {what}")


def changed(session: Session, statement: Any) -> int:
    """Carry out an UPDATE or DELETE; return how many rows it was about."""
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


def _read(url: str) -> URL:
    try:
        read = make_url(url)
        backend = read.get_backend_name()
    except exc.SQLAlchemyError:
        backend = ""
    if backend == "postgresql" and read.drivername == "postgresql":
        read = read.set(drivername="postgresql+psycopg")
    if backend not in ("sqlite", "postgresql") or (backend == "sqlite" and not read.database):
        raise UsageError("a database is sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
    return read


def _sqlite(url: URL) -> Engine:
    file = Path(url.database or "")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists():
            file.touch(0o600)
    except OSError as error:
        raise BooksError(f"the books {file} cannot be made: {error.strerror or error}") from error
    options = {"timeout": PATIENCE}
    engine = create_engine(url, pool_size=POOL, max_overflow=POOL, pool_timeout=PATIENCE,
                           hide_parameters=True, connect_args=options)  # fmt: skip

    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver begins no transactions: SQLAlchemy does, below
        _write_ahead(connection)
        for line in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {line}")

    def began(connection: Any) -> None:
        # a reader that turns writer midway would be refused where another has written since: take the turn at once
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)
    return engine


def _write_ahead(connection: Any) -> None:
    """Turn a new file's journal over; of several connections that do so at once, SQLite has only one wait its turn."""
    given_up = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > given_up:
                raise
            time.sleep(0.01)
        else:
            return


def _postgresql(url: URL) -> Engine:
    options = {
        "connect_timeout": PATIENCE, "keepalives_idle": 10, "tcp_user_timeout": 1000 * PATIENCE,
        "options": f"-c statement_timeout={LONGEST}s -c lock_timeout={PATIENCE}s -c timezone=UTC",
        "application_name": "ornstein",
    }  # fmt: skip
    try:
        return create_engine(url, pool_size=POOL, max_overflow=POOL, pool_timeout=PATIENCE, pool_pre_ping=True,
                             hide_parameters=True, connect_args=options)  # fmt: skip
    except ImportError as error:
        raise MissingExtraError("books in PostgreSQL", "postgres") from error
