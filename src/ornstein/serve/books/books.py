"""The books: requests before anything is made, what became of them, and who may read it.

A request is committed before work begins and again when it ends, with all its outputs in one transaction. Files go to
the store first: a file without a row is found and removed later, a row without its file is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exc, func, or_, select
from sqlalchemy.orm import Session, selectinload

from ornstein.drawing import NOTHING, Spent
from ornstein.errors import UsageError
from ornstein.guard.decision import Decision
from ornstein.guard.policy import Records
from ornstein.serve.books import costs, recovery, removal
from ornstein.serve.books.database import BooksError, Database, default_url
from ornstein.serve.books.keys import Keys
from ornstein.serve.books.privacy import Privacy
from ornstein.serve.books.replies import Replies
from ornstein.serve.books.rows import decision_rows, end, entry_of, output_rows, request_row
from ornstein.serve.books.store import Store
from ornstein.serve.books.tables import OutputRow, RequestRow, SettingRow
from ornstein.serve.books.values import Accepted, Axis, Charge, CostLine, Ending, Entry, Erased, Made

PAGE = 200  # entries of history at most at once
WITH_ALL = (
    selectinload(RequestRow.outputs), selectinload(RequestRow.decisions)
)  # fmt: skip  # three queries for a page, however long


class Books:
    """A database and its store, for any number of threads; ``open`` makes one.

    Every method raises BooksDownError where the database or the store does not answer, BooksError where they cannot be
    used as they are.

    Attributes:
        keys: of the API. replies: kept for idempotency tokens. store: of the files.
    """

    def __init__(self, database: Database, store: Store, privacy: Privacy, server: str) -> None:
        self.database, self.store, self.server, self._privacy = database, store, server, privacy
        self.keys, self.replies = Keys(database), Replies(database, server)

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        store: Store | str | None = None,
        kept: Records | None = None,
        hashed: Callable[[str], str] | None = None,
        migrate: bool = True,
        server: str | None = None,
    ) -> Books:
        """The books at a URL.

        Args:
            url: ``sqlite:///FILE`` or ``postgresql+psycopg://…``; None for ``default_url``.
            store: of the files, or its URL; None for the default one.
            kept: what the policy says of prompts and days (``policy.records``); None: no prompt is kept.
            hashed: makes the keyed hash that stands for a prompt (``RecordLog.hash``); without it there is none.
            migrate: bring the tables to this version; else books of another one are refused.
            server: who works on the requests accepted here; None for this process on this machine.

        Raises:
            UsageError: no such kind of database. MissingExtraError: PostgreSQL without its driver.
        """
        from ornstein.serve.books.migrations import migrate as bring_up
        from ornstein.serve.books.migrations import require_current

        database = Database(url or default_url())
        (bring_up if migrate else require_current)(database)
        opened = store if isinstance(store, Store) else Store.open(store)
        privacy = Privacy(kept or Records(prompts="none"), hashed)
        return cls(database, opened, privacy, server or recovery.this_server())

    def accept(self, entry: Accepted) -> None:
        """Write down a request before anything is made of it; it is on the disk when this returns.

        Raises:
            UsageError: a request of this id is there already.
        """
        row = request_row(entry, self._privacy, self.server)
        try:
            with self.database.writing() as session:
                session.add(row)
        except BooksError as error:
            if isinstance(error.__cause__, exc.IntegrityError):
                raise UsageError(f"a request {entry.id!r} is in the books already") from None
            raise

    def finish(
        self,
        id: str,
        outcome: Ending,
        outputs: Sequence[Made] = (),
        decisions: Sequence[Decision] = (),
        spent: Spent = NOTHING,
        charge: Charge | None = None,
    ) -> None:
        """Write down what became of a request, all or nothing; it is on the disk when this returns.

        Args:
            id: of the request.
            outcome: how it ended.
            outputs: pictures that go out; their files are in the store already.
            decisions: about the request, and about pictures that were held back.
            spent: by all its pictures together.
            charge: energy and price.

        Raises:
            BooksError: the request was erased meanwhile, or the store lacks a file.
        """
        with self.database.writing() as session:
            self.database.lock(session, removal.STORE, shared=True)
            row = session.get(RequestRow, id)
            if row is None:
                raise BooksError(f"there is no request {id[:64]!r} in the books: it was erased meanwhile")
            for made in outputs:
                if not self.store.has(made.sha256):
                    raise BooksError(f"the store lacks {made.sha256[:12]}…: store the file, then finish")
            end(row, outcome, outputs, spent, charge or Charge())
            session.add_all(output_rows(id, outputs, self._privacy))
            session.flush()  # decisions point to outputs
            session.add_all(decision_rows(id, decisions, outputs, self._privacy))

    def recover(self) -> int:
        """Mark requests as lost whose server is no more, and let their idempotency tokens be used again.

        Returns:
            How many were lost. A server calls this once, before it accepts anything.
        """
        return recovery.recover(self.database, self.server)

    def history(
        self, key: str | None, *, search: str = "", before: str | None = None, limit: int = 50
    ) -> list[Entry]:
        """Requests of a key, latest first.

        Args:
            key: whose; None for everybody's.
            search: words that all occur in prompt (where the policy keeps it in clear), model, sampler or seed; where
                prompts are kept as hashes, the whole prompt is found, too.
            before: id of the last request of the page before.
            limit: at most so many, up to 200.

        Raises:
            UsageError: `before` is no request of this key.
        """
        mine = [] if key is None else [RequestRow.key == key]
        query = select(RequestRow).options(*WITH_ALL).where(*mine)
        query = query.order_by(RequestRow.created.desc(), RequestRow.id.desc()).limit(
            min(max(limit, 1), PAGE)
        )
        if found := self._privacy.sought(search):
            query = query.where(or_(*found))
        with self.database.reading() as session:
            if before is not None:
                last = session.scalar(select(RequestRow.created).where(RequestRow.id == before, *mine))
                if last is None:
                    raise UsageError(f"there is no request {before[:64]!r} to go on from")
                older, same = RequestRow.created < last, RequestRow.created == last
                query = query.where(or_(older, same & (RequestRow.id < before)))
            return [entry_of(row) for row in session.scalars(query)]

    def request(self, key: str | None, id: str) -> Entry | None:
        """A request of a key (None: anybody's) by its id; None where it has no such."""
        return self._one(RequestRow.id == id, key)

    def output(self, key: str | None, id: str) -> Entry | None:
        """The request of a key (None: anybody's) that one of its outputs belongs to; None where it has no such."""
        return self._one(
            RequestRow.id == select(OutputRow.request).where(OutputRow.id == id).scalar_subquery(), key
        )

    def pictures(self, key: str, since: datetime) -> int:
        """How many pictures a key has asked for since a time, in requests that were not refused and did not fail."""
        counted = RequestRow.outcome.in_(("running", "done", "held", "cancelled"))
        query = select(func.coalesce(func.sum(RequestRow.count), 0)).where(
            RequestRow.key == key, RequestRow.created >= since, counted
        )
        with self.database.reading() as session:
            return int(session.scalar(query) or 0)

    def costs(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        by: Collection[Axis] = ("day", "key", "model"),
        key: str | None = None,
    ) -> list[CostLine]:
        """What requests that ended cost, from the day of `since` to that of `until` (which is not counted in).

        Of one `key` alone where one is named.
        """
        with self.database.reading() as session:
            return costs.lines(session, since, until, by, key)

    def erase(
        self,
        *,
        key: str | None = None,
        request: str | None = None,
        output: str | None = None,
        before: datetime | None = None,
    ) -> Erased:
        """Erase what one of these names: rows, files, replies. Sums of what it cost stay, without whose it was.

        Args:
            key: all of its requests, and the key itself.
            request: by id.
            output: one picture; its request goes with the last of them.
            before: all requests that are older.

        Raises:
            UsageError: not one of them is given, or nothing fits.
        """
        return removal.erase(
            self.database, self.store, key=key, request=request, output=output, before=before
        )

    def prune(self, days: int | None = None) -> Erased:
        """Remove requests older than so many days (None: none), replies older than a day, and files without a row."""
        return removal.prune(self.database, self.store, days)

    def check(self) -> removal.Checked:
        """Compare rows and files, reading every file."""
        return removal.check(self.database, self.store)

    def secret(self, name: str) -> bytes:
        """32 random bytes that all servers on these books share under a name, made at first use."""
        with self.database.writing() as session:
            row = session.get(SettingRow, f"secret {name}", with_for_update=True)
            if row is None:
                row = SettingRow(name=f"secret {name}", value=secrets.token_hex(32))
                session.add(row)
            return bytes.fromhex(row.value)

    def ping(self) -> None:
        """Ask the database for an answer. Raises BooksDownError."""
        with self.database.reading() as session:
            session.execute(select(1))

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def _one(self, which: Any, key: str | None) -> Entry | None:
        mine = [] if key is None else [RequestRow.key == key]
        with self.database.reading() as session:
            row = _first(session, which, *mine)
            return entry_of(row) if row is not None else None


def _first(session: Session, *which: Any) -> RequestRow | None:
    return session.scalar(select(RequestRow).options(*WITH_ALL).where(*which))
