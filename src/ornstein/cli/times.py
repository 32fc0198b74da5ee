"""Times as options take them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(text: str) -> datetime:
    """The time that an option names, in UTC where it names no zone. Raises UsageError."""
    from ornstein.errors import UsageError

    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no time: write 2026-02-03 or 2026-02-03T04:05, UTC") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
