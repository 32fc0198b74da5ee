"""Entries for other programs: as they stand, or as a table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator

from ornstein.guard.records.entry import Entry, canonical, plain

COLUMNS = (
    "sequence", "time", "kind", "request", "prompt", "prompt_hash", "negative", "seed", "sampler", "steps",
    "guidance", "size", "model", "policy", "decisions", "outputs", "seconds", "note", "hash",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for the beginning of a formula (OWASP, CSV injection)."""


def jsonl(found: Iterable[Entry]) -> Iterator[str]:
    """The lines of the log, byte for byte."""
    for entry in found:
        yield canonical(plain(entry)).decode() + "\n"


def table(found: Iterable[Entry]) -> Iterator[str]:
    """CSV (RFC 4180) with a heading; lists are joined by spaces, and no cell begins a formula."""
    yield _row(COLUMNS)
    for entry in found:
        payload, settings = entry.payload, entry.settings
        values = {
            **plain(entry),
            **(plain(settings) if settings else {}),
            **(plain(payload) if payload else {}),
        }
        values["decisions"] = " ".join(
            f"{said.stage}:{said.action}:{said.rule}".rstrip(":") for said in entry.decisions
        )
        values["outputs"] = " ".join(entry.outputs)
        yield _row([_cell(values.get(name)) for name in COLUMNS])


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"'{text}" if text.startswith(FORMULA) and isinstance(value, str) else text


def _row(cells: Iterable[str]) -> str:
    file = io.StringIO()
    csv.writer(file).writerow(cells)
    return file.getvalue()
