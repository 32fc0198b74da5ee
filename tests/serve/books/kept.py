"""Entries for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ornstein.drawing import Spent
from ornstein.serve.books import Accepted, Books, Charge, Made

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPENT = Spent(evaluations=16, waited=0.5, computed=2.0, guarded=0.25)
CHARGE = Charge(joules=40.0, measured=True, price=0.002)


def accepted(
    name: str = "r", key: str = "ann", prompt: str | None = "a red fox", **other: object
) -> Accepted:
    """A request of the first of March, with a negative prompt."""
    settings = {"sampler": "heun", "steps": 8, "negative": "a hidden word"}
    values = {"model": "emoji", "kind": "generation", "settings": settings, "created": START, **other}
    return Accepted(id=name, key=key, prompt=prompt, **values)


def made(books: Books, name: str, content: bytes | None = None, seed: int = 7, **other: object) -> Made:
    """An output whose file is in the store; of its own content unless one is given."""
    digest = books.store.put(content or f"the file of {name}".encode())
    record = {"request": {"prompt": "a red fox", "seed": seed}, "version": 1}
    return Made(name, digest, "png", 64, 64, seed, record, **other)


def finished(books: Books, name: str, key: str = "ann", outputs: int = 1, **other: object) -> list[Made]:
    """A request that went well, with outputs NAME-0, NAME-1, …"""
    books.accept(accepted(name, key, count=max(outputs, 1), **other))
    pictures = [made(books, f"{name}-{k}", seed=k) for k in range(outputs)]
    books.finish(name, "done", pictures, [], SPENT, CHARGE)
    return pictures


def day(number: int) -> datetime:
    """So many days after the first of March."""
    return START + timedelta(days=number)
