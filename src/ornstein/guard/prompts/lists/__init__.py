"""Word lists that come with the package: one term a line, `#` begins a comment.

They are starting points, short enough to be read. A policy names them by file name, and adds words of its own.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ornstein.errors import UsageError, nearest

FOLDER = Path(__file__).parent
HARMLESS = "harmless"
"""The list of what only looks like a term of another list; applied always, and no rule by itself."""


@cache
def shipped(name: str) -> tuple[str, ...]:
    """The terms of a list, in its order.

    Raises:
        UsageError: no list has that name.
    """
    if name not in (known := names()):
        raise UsageError(f"unknown word list {name!r}{nearest(name, known)}")
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(term for line in lines if (term := line.partition("#")[0].strip()))


def names() -> tuple[str, ...]:
    """What ``shipped`` knows."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.txt")))
