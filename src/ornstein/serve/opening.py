"""A service from what the command line names; nothing is listened to and no model loaded yet."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Sequence
from pathlib import Path

from ornstein.bundle import Bundle
from ornstein.errors import UsageError
from ornstein.guard.policy import Policy
from ornstein.guard.records.log import RecordLog
from ornstein.serve.books import Books, Store
from ornstein.serve.books.keys import LOCAL
from ornstein.serve.monitor.metrics import Metrics
from ornstein.serve.monitor.tracing import Tracing
from ornstein.serve.service import Bounds, Service

LINKS = "links"
M_ARENA_MAX = -8  # of malloc.h


def open_service(
    folders: Sequence[Path],
    policy: Path | None = None,
    database: str | None = None,
    store: str | None = None,
    bounds: Bounds | None = None,
) -> Service:
    """The service under a policy, on books that are brought up to date, with what a killed server left marked as lost.

    Args:
        folders: of the bundles that it will load.
        policy: file; None for the one in force.
        database: URL of the books; None for the user's own.
        store: URL of the pictures; likewise.
        bounds: of requests.

    Raises:
        UsageError, OrnsteinError: a broken or missing policy, a damaged bundle, a database that is down.
    """
    rules = Policy.find(policy)
    names = [Bundle.open(folder).facts.name for folder in folders]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"two of the models are called {twice[0]!r}: serve one of them")
    records = RecordLog.open(None, rules.records) if rules.records else None
    kept = Store.open(store)
    books = Books.open(database, store=kept, kept=rules.records, hashed=records.hash if records else None)
    books.recover()
    return Service(
        books, kept, rules, bounds or Bounds(), Metrics(names), Tracing.begin(), books.secret(LINKS),
        None if books.keys.any() else LOCAL,
    )  # fmt: skip


def few_heaps() -> None:
    """Have the C library serve all threads from two heaps: of a process that serves, before it starts threads.

    Else each thread gets one of its own, which keeps what it once freed: over ten minutes of load 100 MB and more
    (mallopt(3), M_ARENA_MAX).
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def keep_loaded() -> None:
    """Leave what is loaded out of garbage collection, for good: of a process that only serves.

    To look through all of it again would stop every thread for 0.3 s, several times in a busy minute.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # which counts what is left: collections come when a quarter of it has been added
