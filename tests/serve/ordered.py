"""What the tests of bulk work share: files of prompts, and folders of results compared."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ornstein.guard.credentials.stripping import without

NUDE = "a naked woman"  # what the tests' policy holds back


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path


def mixed(count: int) -> list[dict[str, Any]]:
    """Rows of three shapes, one in eleven of them refused."""
    return [
        {"prompt": NUDE if k % 11 == 7 else f"a red apple, number {k}", "steps": (2, 3, 4)[k % 3]}
        for k in range(count)
    ]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def results(folder: Path) -> dict[str, Any]:
    """All of a folder that two runs have in common: each file without its signature, which holds the time and random
    numbers; and each line without the signed file's hash.
    """
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    out: dict[str, Any] = {}
    for name, path in files.items():
        if name.endswith("metadata.jsonl"):
            out[name] = [{**line, "sha256": None} for line in lines(path)]
        elif name.endswith(".png"):
            out[name] = without(path.read_bytes())
        elif not name.startswith(".ornstein/state"):  # it holds lengths
            out[name] = path.read_bytes()
    return out
