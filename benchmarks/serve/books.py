"""What the books cost a request: writing, reading and searching in a database that is full already.

    python -m benchmarks.serve.books [--requests 100000] [--database postgresql+psycopg://…]

Every write waits for the disk; `fsync` beside it is that of one small write. Medians and 95th percentiles. The database
must be empty; without one named it is SQLite in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from ornstein.drawing import Spent
from ornstein.guard.policy import Records
from ornstein.serve.books import Accepted, Books, Charge, Made
from ornstein.serve.books.tables import OutputRow, RequestRow

ROUNDS, THREADS, KEYS = 200, 16, 10
START = datetime(2026, 1, 1, tzinfo=UTC)
numbers = count()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--database")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.database or f"sqlite:///{folder}/books.sqlite3"
        books = Books.open(url, store=f"{folder}/store", kept=Records(prompts="clear"))
        digest = books.store.put(b"a picture")
        fill(books, arguments.requests, digest)
        _, secret = books.keys.create("measured", ("read",))
        print(f"{books.database.url.get_backend_name()}, {arguments.requests:,} requests of {KEYS} keys")
        print(f"{'':<44}{'median':>10}{'p95':>10}")
        for name, work in tasks(books, folder, digest, secret).items():
            row(name, [timed(work) for _ in range(ROUNDS)])
        with ThreadPoolExecutor(THREADS) as pool:
            started = time.perf_counter()
            took = list(pool.map(lambda _: timed(lambda: both(books, digest)), range(ROUNDS)))
            rate = ROUNDS / (time.perf_counter() - started)
        row(f"accept and finish, {THREADS} threads ({rate:.0f} a second)", took)
        row("costs by day, key and model", [timed(books.costs) for _ in range(5)])


def tasks(books: Books, folder: str, digest: str, secret: str) -> dict[str, Callable[[], object]]:
    """What is measured."""

    def find_cold() -> None:
        books.keys._known.clear()
        books.keys.find(secret)

    return {
        "fsync": lambda: synced(Path(folder) / "probe"),
        "store a picture of 10 kB": lambda: books.store.put(os.urandom(10_000)),
        "accept and finish": lambda: both(books, digest),
        "key, looked up": find_cold,
        "key, remembered": lambda: books.keys.find(secret),
        "idempotency token": lambda: books.replies.again("key1", f"token{next(numbers)}", "body"),
        "an output by its id": lambda: books.output("key1", "o1"),
        "first page of history, 50": lambda: books.history("key1"),
        "search with many finds": lambda: books.history("key1", search="fox 3"),
        "search with none": lambda: books.history("key1", search="nowhere"),
    }


def fill(books: Books, requests: int, digest: str) -> None:
    """Put requests of a year into the books, each with an output."""
    for start in range(0, requests, 5000):
        ks = range(start, min(start + 5000, requests))
        times = {k: START + timedelta(minutes=5 * k) for k in ks}
        with books.database.writing() as session:
            session.execute(insert(RequestRow), [
                {"id": f"r{k}", "key": f"key{k % KEYS}", "model": "emoji", "kind": "generation", "prompt": "a red fox",
                 "settings": {"steps": 8}, "words": f"a red fox emoji heun 8 {k}", "count": 1, "created": times[k],
                 "day": times[k].date().isoformat(), "server": "x:1", "outcome": "done", "currency": "USD", "made": 1}
                for k in ks
            ])  # fmt: skip
            session.execute(insert(OutputRow), [
                {"id": f"o{k}", "request": f"r{k}", "place": 0, "sha256": digest, "format": "png", "width": 64,
                 "height": 64, "seed": k, "record": {"request": {"prompt": "a red fox", "steps": 8}}}
                for k in ks
            ])  # fmt: skip


def both(books: Books, digest: str) -> None:
    """Write a request down, and what became of it."""
    name = f"new{next(numbers)}"
    books.accept(Accepted(name, "key1", "emoji", "generation", "a red fox", settings={"steps": 8}))
    made = Made(f"{name}-0", digest, "png", 64, 64, 7, {"request": {"prompt": "a red fox"}})
    books.finish(name, "done", [made], (), Spent(16, 0.1, 0.5, 0.1), Charge(20.0))


def synced(path: Path) -> None:
    """Write a little and wait for the disk."""
    with path.open("ab") as file:
        file.write(b"x" * 700)
        file.flush()
        os.fsync(file.fileno())


def timed(work: Callable[[], object]) -> float:
    """Seconds that work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def row(name: str, seconds: list[float]) -> None:
    """Print a line of milliseconds."""
    print(f"{name:<44}{1e3 * np.median(seconds):>7.2f} ms{1e3 * np.quantile(seconds, 0.95):>7.2f} ms")


if __name__ == "__main__":
    main()
