"""Progress bars on stderr, for whatever takes longer than two seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Yield the items, with a bar on stderr when that is a terminal."""
    from rich.console import Console
    from rich.progress import track as bar

    console = Console(stderr=True)
    return iter(bar(items, what, total, console=console, transient=True, disable=not console.is_terminal))
