"""API keys: a secret that is shown once, and what who holds it may do.

At rest there is only the secret's sha256. A slow hash (bcrypt, scrypt) protects secrets that people choose and others
guess; these are 256 random bits, which nobody guesses at any speed, and a slow hash at every request would be a gift to
whoever wants the server busy (NIST SP 800-63B, 5.1.2.2: look-up secrets of 112 bits and more need no slow hash).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import select

from ornstein.errors import UsageError, nearest
from ornstein.serve.books.database import Database
from ornstein.serve.books.tables import KeyRow
from ornstein.serve.books.values import now

Scope = Literal["generate", "edit", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
SECRET = re.compile(r"orn_[A-Za-z0-9_-]{43}")
SHOWN = 8  # characters of the secret by which people tell keys apart
REMEMBERED = 5.0  # seconds that a key found is not looked up again: as long a revoked one may still work
MOST = 1024  # keys remembered


@dataclass(frozen=True)
class Limits:
    """What a key may use; None for no limit.

    Attributes:
        requests_per_minute, pictures_per_day: the day is UTC's.
        largest_side: of a picture, in pixels.
        share: of the engine where several keys wait; 2 gets twice what 1 gets.
    """

    requests_per_minute: int | None = None
    pictures_per_day: int | None = None
    largest_side: int | None = None
    share: float = 1.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 0 < value < 1e9:
                raise UsageError(f"{name.replace('_', ' ')} must be above 0, not {value}")


@dataclass(frozen=True)
class Key:
    """A key without its secret. `prefix`: the secret's first characters. `expires`, `revoked`: None for never."""

    id: str
    name: str
    scopes: tuple[str, ...]
    limits: Limits = Limits()
    created: datetime = field(default_factory=now)
    expires: datetime | None = None
    revoked: datetime | None = None
    prefix: str = ""

    @property
    def works(self) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now() < self.expires)


LOCAL = Key("local", "local", ("generate", "edit", "read"))
"""Everybody on a server that has no keys and listens on a loopback address."""


class Keys:
    """The keys in a database; for any number of threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Key]] = {}
        self._lock = threading.Lock()

    def create(
        self,
        name: str,
        scopes: Collection[str],
        limits: Limits | None = None,
        expires: datetime | None = None,
    ) -> tuple[Key, str]:
        """A new key and its secret, which nobody can read again.

        Raises:
            UsageError: no name, or an unknown scope. BooksError: as all books.
        """
        if not name.strip() or len(name) > 100 or not name.isprintable():
            raise UsageError("a key needs a name of 1 to 100 characters")
        if not scopes:
            raise UsageError(f"a key needs scopes: {', '.join(SCOPES)}")
        for scope in scopes:
            if scope not in SCOPES:
                raise UsageError(f"unknown scope {scope[:40]!r}{nearest(scope, SCOPES)}")
        secret = f"orn_{secrets.token_urlsafe(32)}"
        key = Key(
            f"key_{secrets.token_hex(6)}", name.strip(), tuple(s for s in SCOPES if s in scopes),
            limits or Limits(), expires=expires, prefix=secret[:SHOWN],
        )  # fmt: skip
        row = KeyRow(
            id=key.id, name=key.name, prefix=key.prefix, hash=_hash(secret), scopes=" ".join(key.scopes),
            limits=asdict(key.limits), created=key.created, expires=expires,
        )  # fmt: skip
        with self._database.writing() as session:
            session.add(row)
        return key, secret

    def find(self, secret: str) -> Key | None:
        """The key of a secret, None where there is none that works. Raises BooksError.

        What it takes tells nothing of how near a guess came: looked for and compared is a hash.
        """
        if not SECRET.fullmatch(secret):
            return None
        digest = _hash(secret)
        known = self._known.get(digest)
        if known is None or known[0] < time.monotonic():
            found = self._look_up(digest)
            if found is None:
                return None
            self._remember(digest, found)
            known = 0.0, found
        return known[1] if known[1].works else None

    def remembered(self, secret: str) -> Key | None:
        """As ``find``, without asking the database: None, too, for a key that nobody showed lately."""
        known = self._known.get(_hash(secret))
        return known[1] if known is not None and known[0] >= time.monotonic() and known[1].works else None

    def list(self) -> list[Key]:
        """All, oldest first, revoked ones too. Raises BooksError."""
        with self._database.reading() as session:
            return [_key(row) for row in session.scalars(select(KeyRow).order_by(KeyRow.created, KeyRow.id))]

    def any(self) -> bool:
        """Whether there is a key that works. Raises BooksError."""
        lasting = KeyRow.expires.is_(None) | (KeyRow.expires > now())
        with self._database.reading() as session:
            return (
                session.scalar(select(KeyRow.id).where(KeyRow.revoked.is_(None), lasting).limit(1))
                is not None
            )

    def revoke(self, name: str) -> Key:
        """End a key, given by id or by a name that only it has; other servers notice within seconds.

        Raises:
            UsageError: no such key, or several. BooksError: as all books.
        """
        with self._database.writing() as session:
            found = session.scalars(select(KeyRow).where((KeyRow.id == name) | (KeyRow.name == name))).all()
            live = [row for row in found if row.revoked is None] or list(found)
            if len(live) != 1:
                what = (
                    f"several keys are called {name[:40]!r}: give the id" if live else f"no key {name[:40]!r}"
                )
                raise UsageError(f"{what}; see ornstein keys list")
            live[0].revoked = live[0].revoked or now()
            key = _key(live[0])
        with self._lock:
            self._known.clear()
        return key

    def _look_up(self, digest: str) -> Key | None:
        with self._database.reading() as session:
            row = session.scalar(select(KeyRow).where(KeyRow.hash == digest))
            return _key(row) if row is not None and hmac.compare_digest(row.hash, digest) else None

    def _remember(self, digest: str, key: Key) -> None:
        with self._lock:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[digest] = time.monotonic() + REMEMBERED, key


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: KeyRow) -> Key:
    return Key(
        row.id, row.name, tuple(row.scopes.split()), Limits(**row.limits), row.created, row.expires, row.revoked,
        row.prefix,
    )  # fmt: skip
