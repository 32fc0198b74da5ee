"""Where texts and rows come from: the longest runs of words that stand in training text, and rows that are equal.

A bundle holds neither its training text nor its rows. Of text it holds a filter of hashed runs of words, which says
that a run was there and not where; with the pack beside it the passage is found, and with that its licence and holder.
Of rows it holds a keyed hash each: equal rows are found, similar ones cannot be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ornstein.bundle import MANIFEST
from ornstein.data import manifest
from ornstein.data.manifest import TRAIN, Row
from ornstein.data.table import read_table
from ornstein.data.text import SHINGLE, TextPack
from ornstein.errors import OrnsteinError, UsageError
from ornstein.evaluate.tables.measure import digests
from ornstein.tables import TableModel
from ornstein.texts import TextModel


@dataclass(frozen=True)
class Match:
    """A part of a file that training data holds.

    Attributes:
        what: the run of words, or which row of the file. size: words of the run; 1 for a row.
        source: manifest row of the first training item that holds it; None where that is not known.
    """

    what: str
    size: int
    source: Row | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        row = self.source
        known = (
            {"id": row.id, "licence": row.licence, "holder": row.holder, "source": row.source}
            if row
            else None
        )
        return {"what": self.what, "size": self.size, "source": known}


def matches(model: TextModel | TableModel, file: Path, pack: Path | None = None) -> list[Match]:
    """What a file shares with what a model learned from, longest runs first.

    Args:
        model: of text or of a table.
        file: of text in UTF-8, or a table.
        pack: of the training text, which tells the passage; not for tables.

    Raises:
        UsageError, OrnsteinError: a file that cannot be read, or another table's. OrnsteinError: a pack that was
            altered.
    """
    if isinstance(model, TableModel):
        return list(_rows(model, file))
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise OrnsteinError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text in UTF-8") from None
    opened = TextPack.open(pack) if pack is not None else None
    spans = sorted(model.copied(text, words=SHINGLE), key=lambda span: -span.words)
    return [
        Match(text[one.start : one.end], one.words, _passage(opened, text[one.start : one.end]))
        for one in spans
    ]


def _passage(pack: TextPack | None, run: str) -> Row | None:
    """The first training passage in which a run of words begins."""
    if pack is None:
        return None
    sought = " ".join(_words(run)[:SHINGLE])
    held = zip(pack.rows, pack.texts, strict=True)
    return next((row for row, text in held if row.split == TRAIN and sought in " ".join(_words(text))), None)


def _words(text: str) -> Sequence[str]:
    return "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text.lower()).split()


def _rows(model: TableModel, file: Path) -> Iterator[Match]:
    found = digests(model, read_table(file).frame)
    assert model.bundle is not None
    known = {row.sha256: row for row in reversed(manifest.read(model.bundle.folder / MANIFEST))}
    for place, digest in enumerate(found):
        if digest in known:
            yield Match(f"row {place + 1}", 1, known[digest])
