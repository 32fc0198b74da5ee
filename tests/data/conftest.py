"""Small packs and folders made on the spot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ornstein.data import pixels
from ornstein.data.emoji.names import variant_names
from ornstein.data.manifest import Row
from ornstein.data.pack import Pack
from ornstein.data.write import write_pack


def random_picture(seed: int, size: int = 8) -> np.ndarray:
    """A premultiplied picture with every kind of alpha."""
    straight = np.random.default_rng(seed).integers(0, 256, (size, size, 4), dtype=np.uint8)
    return pixels.premultiply(straight)


def make_row(name: str, data: bytes, **facts: object) -> Row:
    known = {
        "licence": "MIT",
        "holder": "A. Nyone",
        "source": "made here",
        "split": "train",
        "concept": "cat",
        "style": "Ink style",
        "variant": 0,
        "captions": ("cat, Ink style", "Ink style cat", "cat"),
    }
    return Row(id=name, sha256=hashlib.sha256(data).hexdigest(), **(known | facts))  # type: ignore[arg-type]


@pytest.fixture
def make_pack(tmp_path: Path) -> Callable[..., Pack]:
    """Return a function that packs rows given as keyword dictionaries, with random pictures."""

    def make(rows: list[dict[str, object]], name: str = "pack") -> Pack:
        items = []
        for number, facts in enumerate(rows):
            data = pixels.encode(random_picture(number))
            items.append((make_row(f"{number:04d}", data, **facts), data))
        out = tmp_path / name
        write_pack(out, name="test", size=8, channels=4, items=items, variants=variant_names())
        return Pack.open(out)

    return make


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of two classes with three pictures each."""
    folder = tmp_path / "pictures"
    for label in ("red_fox", "owl"):
        (folder / label).mkdir(parents=True)
        for number in range(3):
            seed = int(hashlib.sha256(f"{label}{number}".encode()).hexdigest()[:8], 16)
            noise = np.random.default_rng(seed).integers(0, 256, (12, 9, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / label / f"{number}.png")
    return folder
