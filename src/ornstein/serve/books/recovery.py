"""Requests that nobody works on any more: their server was killed."""

from __future__ import annotations

import os
import socket
from datetime import timedelta

from sqlalchemy import delete, select, update

from ornstein.serve.books.database import Database, changed
from ornstein.serve.books.tables import ReplyRow, RequestRow
from ornstein.serve.books.values import now

LONGEST = timedelta(days=1)  # no request takes as long: its machine is gone for good


def this_server() -> str:
    """This process: ``machine:number``."""
    return f"{socket.gethostname()}:{os.getpid()}"


def recover(database: Database, server: str) -> int:
    """Mark requests of servers that are no more as lost, and free their idempotency tokens; return how many.

    `server` itself counts: a process that begins has accepted nothing yet, so what stands under its name is left from
    one before it (in containers every server has the same number).
    """
    with database.writing() as session:
        working = session.scalars(
            select(RequestRow.server).where(RequestRow.outcome == "running")
            .union(select(ReplyRow.server).where(ReplyRow.status.is_(None)))
        )  # fmt: skip
        gone = [name for name in working if name == server or not _lives(name)]
        running, old = RequestRow.outcome == "running", now() - LONGEST
        lost = changed(
            session,
            update(RequestRow).where(running & (RequestRow.server.in_(gone) | (RequestRow.created < old)))
            .values(outcome="lost", finished=now())
        )  # fmt: skip
        session.execute(delete(ReplyRow).where(ReplyRow.status.is_(None) & ReplyRow.server.in_(gone)))
        return lost


def _lives(server: str) -> bool:
    """Whether a server still runs; of other machines nothing is known, so theirs are taken to."""
    machine, _, number = server.rpartition(":")
    if machine != socket.gethostname() or not number.isdecimal():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
