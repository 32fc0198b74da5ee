"""A service from what the command line names; nothing is listened to and no model loaded yet."""

from __future__ import annotations

from pathlib import Path

from ornstein.guard.policy import Policy
from ornstein.guard.records.log import RecordLog
from ornstein.serve.books import Books, Store
from ornstein.serve.books.keys import LOCAL
from ornstein.serve.monitor import Metrics
from ornstein.serve.service import Bounds, Service

LINKS = "links"


def open_service(
    policy: Path | None = None, database: str | None = None, store: str | None = None, bounds: Bounds | None = None
) -> Service:
    """The service under a policy, on books that are brought up to date, with what a killed server left marked as lost.

    Args:
        policy: file; None for the one in force.
        database: URL of the books. store: of the pictures. None: the user's own.
        bounds: of requests.

    Raises:
        UsageError, OrnsteinError: a policy that is missing or broken, a database or store that is down.
    """
    rules = Policy.find(policy)
    records = RecordLog.open(None, rules.records) if rules.records else None
    kept = Store.open(store)
    books = Books.open(database, store=kept, kept=rules.records, hashed=records.hash if records else None)
    books.recover()
    keyless = not any(key.works for key in books.keys.list())
    return Service(
        books, kept, rules, bounds or Bounds(), Metrics(), books.secret(LINKS), LOCAL if keyless else None
    )
