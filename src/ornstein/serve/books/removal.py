"""Erasure, retention, and whether rows and files agree.

Rows go first, then files that no row names any more, under a lock that keeps ``Books.finish`` from naming them in
between. A crash in between leaves files without rows: pruning removes those, too, once they are an hour old (younger
ones may belong to a request that is about to finish).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ornstein.errors import UsageError
from ornstein.serve.books.costs import keep_sums
from ornstein.serve.books.database import Database, changed
from ornstein.serve.books.replies import KEPT
from ornstein.serve.books.store import Store, StoreError
from ornstein.serve.books.tables import KeyRow, OutputRow, ReplyRow, RequestRow
from ornstein.serve.books.values import Erased, now

STORE = 0x6F726E02  # of the lock between finishing and deleting files
YOUNG = timedelta(hours=1)
PORTION = 500  # rows or files in a transaction: nobody waits long for it


@dataclass(frozen=True)
class Checked:
    """What ``check`` found.

    Attributes:
        files: looked at. orphans: without a row, an hour old or more. missing: that a row names and nobody has.
        damaged: whose content is no longer theirs.
    """

    files: int
    orphans: tuple[str, ...]
    missing: tuple[str, ...]
    damaged: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether all that the books name is there, and as it was; an orphan hurts nobody."""
        return not self.missing and not self.damaged


def erase(
    database: Database,
    store: Store,
    *,
    key: str | None,
    request: str | None,
    output: str | None,
    before: datetime | None,
) -> Erased:
    """As ``Books.erase``."""
    if sum(which is not None for which in (key, request, output, before)) != 1:
        raise UsageError("say what to erase: a key, a request, an output or a date")
    if output is not None:
        erased = _one_output(database, store, output)
    elif key is not None:
        erased = _key(database, store, key)
    elif before is not None:
        erased = _requests(database, store, RequestRow.created < before)
    else:
        erased = _requests(database, store, RequestRow.id == request)
        if not erased.requests:
            raise UsageError("nothing to erase: no such request")
    database.wipe()
    return erased


def prune(database: Database, store: Store, days: int | None) -> Erased:
    """As ``Books.prune``."""
    erased = Erased()
    if days is not None:
        erased += _requests(database, store, RequestRow.created < now() - timedelta(days=days))
    with database.writing() as session:
        old = delete(ReplyRow).where(ReplyRow.created < now() - KEPT)
        erased += Erased(replies=changed(session, old))
    for portion in _portions([file.sha256 for file in store.files() if file.written < now() - YOUNG]):
        erased += Erased(files=_sweep(database, store, portion))
    database.wipe()
    return erased


def check(database: Database, store: Store) -> Checked:
    """As ``Books.check``."""
    with database.reading() as session:
        named = set(session.scalars(select(OutputRow.sha256).distinct()))
    there = {file.sha256: file for file in store.files()}
    damaged = []
    for digest in named & there.keys():
        try:
            store.get(digest)
        except StoreError:
            damaged.append(digest)
    old = {digest for digest, file in there.items() if file.written < now() - YOUNG}
    missing = [digest for digest in sorted(named - there.keys()) if not store.has(digest)]
    return Checked(len(there), tuple(sorted(old - named)), tuple(missing), tuple(sorted(damaged)))


def _key(database: Database, store: Store, key: str) -> Erased:
    """Delete a key, so that it asks for nothing more, and all that it asked for."""
    with database.writing() as session:
        keys = changed(session, delete(KeyRow).where(KeyRow.id == key))
        replies = changed(session, delete(ReplyRow).where(ReplyRow.key == key))
    erased = Erased(replies=replies) + _requests(database, store, RequestRow.key == key)
    if not keys and erased == Erased():
        raise UsageError("nothing to erase: no such key")
    return erased


def _requests(database: Database, store: Store, which: Any) -> Erased:
    """Delete requests, a portion at a time, and the files that were theirs alone."""
    erased = Erased()
    while True:
        with database.writing() as session:
            ids = list(session.scalars(select(RequestRow.id).where(which).limit(PORTION)))
            digests, gone = _delete(session, ids)
        if not ids:
            return erased
        erased += gone + Erased(files=_sweep(database, store, digests))


def _one_output(database: Database, store: Store, output: str) -> Erased:
    """Delete a picture; its request, too, where it was the last of it. Its reply showed the picture, and goes."""
    with database.writing() as session:
        row = session.get(OutputRow, output)
        if row is None:
            raise UsageError("nothing to erase: no such output")
        left = session.scalar(select(func.count()).where(OutputRow.request == row.request)) or 0
        if left == 1:
            digests, gone = _delete(session, [row.request])
        else:
            replies = changed(session, delete(ReplyRow).where(ReplyRow.request == row.request))
            digests, gone = [row.sha256], Erased(outputs=1, replies=replies)
            session.delete(row)
    return gone + Erased(files=_sweep(database, store, digests))


def _delete(session: Session, ids: Sequence[str]) -> tuple[list[str], Erased]:
    """Delete requests and what belongs to them; what they cost is added up first. Returns their files' names."""
    keep_sums(session, RequestRow.id.in_(ids))
    digests = list(session.scalars(select(OutputRow.sha256).where(OutputRow.request.in_(ids))))
    replies = changed(session, delete(ReplyRow).where(ReplyRow.request.in_(ids)))
    session.execute(delete(RequestRow).where(RequestRow.id.in_(ids)))
    return digests, Erased(requests=len(ids), outputs=len(digests), replies=replies)


def _sweep(database: Database, store: Store, digests: Sequence[str]) -> int:
    """Delete files that no row names; returns how many."""
    gone = 0
    for portion in _portions(list(dict.fromkeys(digests))):
        with database.writing() as session:
            database.lock(session, STORE)
            named = set(session.scalars(select(OutputRow.sha256).where(OutputRow.sha256.in_(portion))))
            gone += sum(store.delete(digest) for digest in portion if digest not in named)
    return gone


def _portions(digests: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(digests), PORTION):
        yield digests[start : start + PORTION]
