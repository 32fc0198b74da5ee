"""Idempotency tokens: the same request sent twice is answered twice and carried out once.

(draft-ietf-httpapi-idempotency-key-header-07: the same token with another body is an error, one whose first request is
still being worked on is a conflict.)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import delete, exc

from ornstein.serve.books.database import BooksError, Database
from ornstein.serve.books.tables import ReplyRow
from ornstein.serve.books.values import now

KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Reply:
    """What was answered: HTTP status and body."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Again:
    """What is known of a token.

    Attributes:
        state: new: carry it out, then ``remember`` or ``forget``; running: the first one is being worked on;
            done: `reply` was given; conflict: the token came with another body.
    """

    state: Literal["new", "running", "done", "conflict"]
    reply: Reply | None = None


class Replies:
    """Replies kept for a day, each under its key and token; for any number of threads and servers."""

    def __init__(self, database: Database, server: str) -> None:
        self._database, self._server = database, server

    def again(self, key: str, token: str, body: bytes | str) -> Again:
        """Look a token up, and take it where it is new: of several at once, one is told so.

        Args:
            key: id of the key that asks.
            token: that came with it, any text.
            body: of the request.
        """
        digest, name = _hash(body), _hash(token)
        row = ReplyRow(key=key, token=name, body=digest, server=self._server, created=now())
        try:
            with self._database.writing() as session:
                known = session.get(ReplyRow, (key, name))
                if known is not None and known.created >= now() - KEPT:
                    return _known(known, digest)
                if known is not None:
                    session.delete(known)
                    session.flush()
                session.add(row)
        except BooksError as error:
            if isinstance(error.__cause__, exc.IntegrityError):  # another one came first
                return self.again(key, token, body)
            raise
        return Again("new")

    def remember(self, key: str, token: str, reply: Reply, request: str | None = None) -> None:
        """Keep what was replied; `request` is the id of the request it is about, with which it is erased."""
        with self._database.writing() as session:
            row = session.get(ReplyRow, (key, _hash(token)))
            if row is not None:
                row.status, row.reply, row.request = reply.status, reply.body, request

    def forget(self, key: str, token: str) -> None:
        """Free a token whose request did not come to an answer that would be the same again."""
        with self._database.writing() as session:
            session.execute(delete(ReplyRow).where(ReplyRow.key == key, ReplyRow.token == _hash(token)))


def _known(row: ReplyRow, digest: str) -> Again:
    if row.body != digest:
        return Again("conflict")
    if row.status is None or row.reply is None:
        return Again("running")
    return Again("done", Reply(row.status, row.reply))


def _hash(content: bytes | str) -> str:
    raw = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    return hashlib.sha256(raw).hexdigest()
