"""Errors a user can cause. The command line prints them as one line and exits with their code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OrnsteinError(Exception):
    """A failure whose message says, in one line, what is wrong and what to do. Exit code 1."""

    exit_code = 1


class UsageError(OrnsteinError, ValueError):
    """An argument that cannot be meant: wrong name, range or type. Exit code 2."""

    exit_code = 2


class StoppedError(OrnsteinError):
    """The user asked for a stop, and what was done so far is kept."""

    exit_code = 130


class MissingExtraError(OrnsteinError, ImportError):
    """A feature whose optional packages are not installed; `alone` is one that wants more than its files need."""

    def __init__(self, feature: str, extra: str, alone: str = "") -> None:
        also = f" && pip install --no-deps {alone}" if alone else ""
        super().__init__(
            f"{feature} needs packages that are not installed: pip install 'ornstein[{extra}]'{also}"
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, else the list of known names."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
