"""Results of audits as evidence: JSON, shown as it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ornstein.bundle import METRICS, Bundle
from ornstein.errors import OrnsteinError
from ornstein.guard.documents.page import Table
from ornstein.hashes import sha256

LARGEST = 4 << 20  # bytes
ROWS = 100
DEEPEST, LARGEST_NUMBER = 50, 1e60


@dataclass(frozen=True)
class Evidence:
    """One result.

    Attributes:
        kind: what was audited, as it says itself or as its file is called. file: its name. sha256: of its bytes.
        values: what it says.
    """

    kind: str
    file: str
    sha256: str
    values: dict[str, Any]

    def table(self) -> Table:
        """Every value with the path that leads to it; of more than a hundred the rest is counted."""
        rows = [row for row in _flat(self.values) if row[0] != "kind"]
        left = len(rows) - ROWS
        more = ((f"{left} more", f"in {self.file}"),) if left > 0 else ()
        return Table(("value", self.kind), (*rows[:ROWS], *more))


def gather(bundle: Bundle, files: Sequence[Path]) -> tuple[Evidence, ...]:
    """What is given, and what lies in the bundle under its hashes.

    Raises:
        OrnsteinError: a file that is missing, larger than 4 MB, or no JSON object.
    """
    inside = [
        bundle.folder / name for name in sorted(bundle.facts.files)
        if name.endswith(".json") and name != METRICS and "/" not in name and _told(bundle.folder / name)
    ]  # fmt: skip
    return tuple(_read(path) for path in (*inside, *files))


def refuse_absurd(values: Any, where: Path) -> None:
    """Raise OrnsteinError for what no measurement is: nesting without end, numbers beyond any, text that is no text."""
    pending = [(values, 0)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, dict | list):
            inside = [*value.keys(), *value.values()] if isinstance(value, dict) else value
            pending += [(part, depth + 1) for part in inside]
        number = isinstance(value, int | float) and not abs(value) < LARGEST_NUMBER
        if depth > DEEPEST or number or (isinstance(value, str) and not _encodable(value)):
            raise OrnsteinError(f"{where} holds what no measurement is: do not trust it")


def _encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _told(path: Path) -> bool:
    """Whether a file of the bundle is a result at all."""
    try:
        return path.stat().st_size <= LARGEST and "kind" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _read(path: Path) -> Evidence:
    try:
        if path.stat().st_size > LARGEST:
            raise OrnsteinError(f"{path} is larger than 4 MB: give its summary as evidence")
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OrnsteinError(f"cannot read the evidence {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise OrnsteinError(f"the evidence {path} is not readable JSON") from error
    if not isinstance(values, dict) or not values:
        raise OrnsteinError(f"the evidence {path} is not a JSON object that says something")
    refuse_absurd(values, path)
    return Evidence(str(values.get("kind", path.stem))[:100], path.name, sha256(path), values)


def _flat(values: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Leaves with their paths; long lists and what lies very deep are only counted."""
    if isinstance(values, dict) and values and depth < 8:
        for name, value in values.items():
            yield from _flat(value, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(values, list) and 0 < len(values) <= 10 and depth < 8:
        for k, value in enumerate(values):
            yield from _flat(value, f"{path}[{k}]", depth + 1)
    elif isinstance(values, dict | list):
        yield path, f"{len(values)} entries"
    else:
        shown = f"{values:.6g}" if isinstance(values, float) else str(values)
        yield path, shown[:500]
