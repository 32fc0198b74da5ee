"""Drawings made on the spot, a model that says it learned from them, and the index of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ornstein import saving
from ornstein.bundle import Bundle
from ornstein.data import pixels
from ornstein.data.manifest import HELD_OUT, TRAIN, Row, root_hash
from ornstein.data.pack import Pack
from ornstein.data.write import write_pack
from ornstein.guard.trace.build import index_of
from ornstein.guard.trace.sources import Sources
from tests.small import random_model, text_recipe

TRAINED, HELD, SIDE = 120, 80, 32
FEW, ENOUGH = 512, 6400  # samples of a descriptor that knows nothing, and of one that knows drawings
PICTURES = [f"drawing/{number:03d}" for number in range(TRAINED + HELD)]
STUDIO, ADA = "Studio", "Ada & Co"


def drawing(seed: int) -> np.ndarray:
    """Blocks and discs of random colours on nothing, uint8 (SIDE, SIDE, 4)."""
    random = np.random.default_rng(seed)
    out = np.zeros((SIDE, SIDE, 4), np.uint8)
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    for _ in range(7):
        top, left = random.integers(4, SIDE - 4, 2)
        size = random.integers(3, 9)
        disc = (down - top) ** 2 + (across - left) ** 2 < size**2
        block = (abs(down - top) < size) & (abs(across - left) < random.integers(2, 9))
        out[disc if random.random() < 0.5 else block] = [*random.integers(0, 256, 3), 255]
    return out


@dataclass(frozen=True)
class Drawn:
    """Drawings, the first `trained` of them trained on. Every third is Ada's, the others are the studio's."""

    pictures: np.ndarray
    trained: int
    ids: list[str]

    def rows(self) -> list[Row]:
        """Their manifest."""
        return [
            Row(
                id=one, sha256=hashlib.sha256(self._file(place)).hexdigest(),
                licence="CC-BY-4.0" if place % 3 == 0 else "MIT", holder=ADA if place % 3 == 0 else STUDIO,
                source=f"made here {place}", split=TRAIN if place < self.trained else HELD_OUT, concept=one, style="",
                variant=0, captions=(f"drawing {place}",), family=one,
            )
            for place, one in enumerate(self.ids)
        ]  # fmt: skip

    def pack(self, folder: Path) -> Pack:
        """Write them as a pack."""
        items = [(row, self._file(place)) for place, row in enumerate(self.rows())]
        write_pack(folder, name="drawings", size=SIDE, channels=4, items=items)
        return Pack.open(folder)

    def _file(self, place: int) -> bytes:
        return pixels.encode(self.pictures[place])


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    """The drawings."""
    pictures = np.stack([drawing(seed) for seed in range(len(PICTURES))])
    return Drawn(pictures, TRAINED, PICTURES)


@pytest.fixture(scope="session")
def indexed(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with manifest and an index, by a descriptor that is hardly trained."""
    return _bundle(drawn, tmp_path_factory.mktemp("indexed"), FEW)


@pytest.fixture(scope="session")
def sources(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Sources with a descriptor that is trained."""
    return Sources.open(Bundle.open(_bundle(drawn, tmp_path_factory.mktemp("trained"), ENOUGH)))


def _bundle(drawn: Drawn, folder: Path, samples: int) -> Path:
    rows, pack = drawn.rows(), drawn.pack(folder / "pack")
    model = random_model(text_recipe()).save(folder / "model", manifest=rows, dtype="bfloat16")
    index = index_of(rows, root_hash(rows), pack, samples)
    return saving.with_sources(Bundle.open(model), index.to_bytes()).folder
