"""The sha256 of files. A large one is read for it once: what was found is remembered while the file is untouched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ornstein.data.atomic import new_file
from ornstein.shelf import home

LARGE = 32 << 20  # bytes, a tenth of a second's reading
REMEMBERED = 1000


def sha256(file: Path, *, fresh: bool = False) -> str:
    """The file's sha256 in hexadecimal.

    A file of 32 MB and more is known again by inode, size and time of change, on this machine and for this user.

    Args:
        file: to read.
        fresh: read it whatever is remembered.
    """
    found = file.stat()
    if found.st_size < LARGE:
        return _read(file)
    key = f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
    known = _known()
    if fresh or key not in known:
        digest = _read(file)
        known.pop(key, None)
        _remember({**known, key: digest})
        return digest
    return known[key]


def _read(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _memory() -> Path:
    return home().parent / "hashes.json"


def _known() -> dict[str, str]:
    try:
        values = json.loads(_memory().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _remember(known: dict[str, str]) -> None:
    kept = dict(list(known.items())[-REMEMBERED:])
    try:
        _memory().parent.mkdir(parents=True, exist_ok=True)
        with new_file(_memory()) as part:
            part.write_text(json.dumps(kept, indent=0), encoding="utf-8")
    except OSError:
        return  # it is read again next time, then
