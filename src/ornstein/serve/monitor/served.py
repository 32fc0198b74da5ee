"""What was served, out of the books and the store, for looking at it afterwards."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from PIL import Image

from ornstein.data.pixels import premultiply
from ornstein.errors import OrnsteinError
from ornstein.serve.books import Books, Entry

LOSSLESS = ("png", "webp")
ANSWERED = ("done", "refused", "held")


@dataclass(frozen=True)
class Served:
    """Pictures, uint8 (H, W, 4) premultiplied; requests among which they were served, how many refused, the latest."""

    pictures: list[np.ndarray]
    asked: int
    refused: int
    until: datetime | None


def latest(books: Books, model: str, count: int) -> Served:
    """The latest pictures of a model, at most so many; what was written lossily is left out."""
    pictures: list[np.ndarray] = []
    asked, refused, until = 0, 0, None
    for entry in _entries(books, model):
        asked, until = asked + 1, until or entry.created
        refused += entry.outcome == "refused"
        pictures += [
            _decode(books.store.get(made.sha256)) for made in entry.outputs if made.format in LOSSLESS
        ]
        if len(pictures) >= count:
            break
    return Served(pictures[:count], asked, refused, until)


def _entries(books: Books, model: str) -> Iterator[Entry]:
    before = None
    while page := books.history(None, before=before, limit=200):
        yield from (entry for entry in page if entry.model == model and entry.outcome in ANSWERED)
        before = page[-1].id


def _decode(data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=LOSSLESS) as image:
            return premultiply(np.asarray(image.convert("RGBA")))
    except (OSError, ValueError) as error:
        raise OrnsteinError("a file of the store is no picture: see ornstein books check") from error
