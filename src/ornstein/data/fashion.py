"""Fashion-MNIST from its Debian package: 70,000 grey pictures of ten kinds of clothes, 28 x 28."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from ornstein.data import pixels
from ornstein.data.manifest import HELD_OUT, TRAIN, Row
from ornstein.data.progress import track
from ornstein.data.write import write_pack
from ornstein.errors import OrnsteinError, UsageError

FOLDER = Path("/usr/share/datasets/fashion-mnist")
CLASSES = (
    *("T-shirt", "trousers", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
_PARTS = {TRAIN: "train", HELD_OUT: "t10k"}


def build(out: Path, *, folder: Path = FOLDER, force: bool = False) -> Path:
    """Write the pack to `out`; the official test pictures become the split "held-out".

    Raises OrnsteinError when the package is absent or damaged.
    """
    if out.exists() and not force:
        raise UsageError(f"{out} exists already: choose another --out, or replace it with --force")
    if not folder.is_dir():
        raise OrnsteinError(f"{folder} is absent: install it with `apt-get install dataset-fashion-mnist`")
    items: list[tuple[Row, bytes]] = []
    for split, part in _PARTS.items():
        pictures = read_idx(_file(folder, f"{part}-images-idx3-ubyte"), 3)
        labels = read_idx(_file(folder, f"{part}-labels-idx1-ubyte"), 1)
        if pictures.shape != (len(labels), 28, 28) or labels.max(initial=0) >= len(CLASSES):
            raise OrnsteinError(f"{folder}: {part} pictures and labels do not match: install it again")
        pairs = zip(pictures, labels.tolist(), strict=True)
        for number, (picture, label) in enumerate(track(pairs, f"packing {part}", len(labels))):
            data = pixels.encode(picture[..., None])
            items.append((_row(f"{part}/{number:05d}", CLASSES[label], split, data), data))
    return write_pack(out, name="fashion-mnist", size=28, channels=1, items=items, force=force)


def read_idx(path: Path, axes: int) -> np.ndarray:
    """Return the uint8 array of a gzipped IDX file with that many axes. Raises OrnsteinError."""
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise OrnsteinError(f"{path} is missing or damaged: install dataset-fashion-mnist again") from error
    head = 4 + 4 * axes
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, head, 4))
    if data[:4] != bytes((0, 0, 8, axes)) or len(data) - head != int(np.prod(shape, dtype=object)):
        raise OrnsteinError(f"{path} is not an IDX file of {axes} axes: install dataset-fashion-mnist again")
    return np.frombuffer(data, dtype=np.uint8, offset=head).reshape(shape)


def _file(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.gz"


def _row(name: str, label: str, split: str, data: bytes) -> Row:
    return Row(
        id=name,
        sha256=hashlib.sha256(data).hexdigest(),
        licence="MIT",
        holder="Zalando SE",
        source=f"dataset-fashion-mnist {name}",
        split=split,
        concept=label,
        style="",
        variant=0,
        captions=(label, f"grey picture of {'trousers' if label == 'trousers' else _article(label)}"),
        family=label,
    )


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
