"""The files of outputs, each under the sha256 of its content: in a folder, or in a bucket.

    FOLDER/ab/cd/abcd…        s3://BUCKET/PREFIX/ab/cd/abcd…

A file is there whole or not at all: in a folder it is written aside, waited for, then renamed; a bucket takes an object
whole or not. The same content twice is one file.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ornstein.errors import MissingExtraError, UsageError
from ornstein.serve.books.database import BooksDownError, BooksError
from ornstein.shelf import home

VARIABLE = "ORNSTEIN_STORE"
DIGEST = re.compile(r"[0-9a-f]{64}")
PART = ".part"  # suffix of files that are not finished


class StoreError(BooksError):
    """A file that the store lacks, or that is no longer what was stored."""


@dataclass(frozen=True)
class Stored:
    """A file of the store: its name, what it is about in bytes, and when it was written."""

    sha256: str
    size: int
    written: datetime


class Place(Protocol):
    """Where bytes lie under names ``ab/cd/abcd…``. Raises FileNotFoundError, OSError and what else it likes."""

    name: str

    def write(self, name: str, data: bytes) -> None: ...
    def read(self, name: str) -> bytes: ...
    def has(self, name: str) -> bool: ...
    def delete(self, name: str) -> None: ...
    def files(self) -> Iterator[Stored]: ...


class Store:
    """Files by their sha256; for any number of threads.

    Every method raises StoreError for a file that is missing or damaged, BooksDownError where the place does not
    answer.
    """

    def __init__(self, place: Place) -> None:
        self.place, self.name = place, place.name

    @classmethod
    def open(cls, url: str | Path | None = None) -> Store:
        """The store in a folder or at a URL; None: at ORNSTEIN_STORE, else a folder beside the user's bundles.

        ``s3://BUCKET/PREFIX`` takes endpoint, keys and region from the environment, as all of AWS's tools do.

        Raises:
            UsageError: a kind of place that nobody knows. MissingExtraError: its package is not installed.
        """
        where = str(url or os.environ.get(VARIABLE) or home().parent / "outputs")
        scheme, colon, _ = where.partition("://")
        if colon and scheme != "file":
            return cls(Bucket(where))
        return cls(Folder(Path(where.removeprefix("file://")).expanduser()))

    def put(self, data: bytes) -> str:
        """Store bytes; they are on the disk when this returns. Returns their sha256 in hexadecimal."""
        digest = hashlib.sha256(data).hexdigest()
        with self._told():
            if not self.place.has(_path(digest)):
                self.place.write(_path(digest), data)
        return digest

    def get(self, sha256: str) -> bytes:
        """The bytes that were stored, checked against their name."""
        with self._told():
            try:
                data = self.place.read(_path(sha256))
            except FileNotFoundError:
                raise StoreError(f"{self.name} has no file {sha256[:12]}…") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(f"the file {sha256[:12]}… in {self.name} is damaged: restore it from a backup")
        return data

    def has(self, sha256: str) -> bool:
        """Whether the file is there; its content is not read."""
        with self._told():
            return self.place.has(_path(sha256))

    def delete(self, sha256: str) -> bool:
        """Delete a file; False where there was none."""
        with self._told():
            if not self.place.has(_path(sha256)):
                return False
            self.place.delete(_path(sha256))
        return True

    def files(self) -> Iterator[Stored]:
        """All files, in no order."""
        with self._told():
            yield from self.place.files()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BooksError:
            raise
        except Exception as error:  # every kind of place has errors of its own
            what = (
                getattr(error, "strerror", None)
                or str(error).strip().partition("\n")[0]
                or type(error).__name__
            )
            raise BooksDownError(f"the store {self.name} does not answer: {what[:200]}") from error


class Folder:
    """A folder that only its owner can open."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, str(folder)

    def write(self, name: str, data: bytes) -> None:
        target = self.folder / name
        self._make(target.parent)
        part = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}{PART}")
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
            _wait_for(target.parent)
        finally:
            part.unlink(missing_ok=True)

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def has(self, name: str) -> bool:
        return (self.folder / name).is_file()

    def delete(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)
        _wait_for((self.folder / name).parent)

    def files(self) -> Iterator[Stored]:
        for path in self.folder.glob("??/??/*"):
            with suppress(FileNotFoundError):  # deleted meanwhile
                if DIGEST.fullmatch(path.name):
                    found = path.stat()
                    yield Stored(path.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def _make(self, folder: Path) -> None:
        """Make a folder and wait for its name: a file in a folder that is lost is lost."""
        if folder.is_dir():
            return
        if folder != self.folder:
            self._make(folder.parent)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _wait_for(folder.parent)


class Bucket:
    """A place that fsspec knows: S3 and what speaks its language."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise MissingExtraError("the store", "serve") from error
        scheme = url.partition("://")[0]
        try:
            self._system, self._root = fsspec.url_to_fs(url, **_options(scheme))
        except ImportError as error:
            raise MissingExtraError(
                f"a store at {scheme}://", "s3" if scheme in ("s3", "s3a") else scheme
            ) from error
        except ValueError as error:
            raise UsageError(f"a store is a folder or s3://BUCKET/PREFIX, not {scheme}://") from error
        self.name = url

    def write(self, name: str, data: bytes) -> None:
        self._system.pipe_file(f"{self._root}/{name}", data)

    def read(self, name: str) -> bytes:
        return self._system.cat_file(f"{self._root}/{name}")

    def has(self, name: str) -> bool:
        return self._system.exists(f"{self._root}/{name}")

    def delete(self, name: str) -> None:
        self._system.rm_file(f"{self._root}/{name}")

    def files(self) -> Iterator[Stored]:
        try:
            found: Any = self._system.find(self._root, detail=True)
        except FileNotFoundError:
            return
        for path, facts in found.items():
            name = path.rpartition("/")[2]
            if DIGEST.fullmatch(name):
                written = facts.get("LastModified") or facts.get("created")
                yield Stored(name, int(facts["size"]), written)


def _options(scheme: str) -> dict[str, Any]:
    if scheme not in ("s3", "s3a"):
        return {}
    network = {"connect_timeout": 3, "read_timeout": 15, "retries": {"max_attempts": 2}}
    return {"use_listings_cache": False, "config_kwargs": network}


def _path(sha256: str) -> str:
    if not DIGEST.fullmatch(sha256):
        raise StoreError(f"{sha256[:64]!r} is no sha256")
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _wait_for(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
