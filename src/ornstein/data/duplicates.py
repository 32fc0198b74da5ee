"""Pictures that are there twice: the same pixels, or pictures that look alike by perceptual hash and colour.

Duplicates are what models learn by heart (Carlini et al. 2023, arXiv 2301.13188, section 5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ornstein.data import pixels
from ornstein.data.manifest import TRAIN
from ornstein.data.pack import Pack
from ornstein.data.progress import track
from ornstein.errors import MissingExtraError

_HASH_BITS = 4  # perceptual hashes, of 64 bits, that differ in no more are candidates
_COLOUR = 16  # and their 8 x 8 averages must agree to this many of 255, or all flags would be one

Signature = tuple[np.uint64, np.ndarray]


@dataclass(frozen=True)
class Doubles:
    """What is there twice among pictures that are numbered in their order.

    Attributes:
        exact: groups of two and more with the same pixels.
        first: one of each picture, ascending. signatures: of all.
    """

    exact: list[list[int]]
    first: list[int]
    signatures: Sequence[Signature]

    @classmethod
    def of(cls, digests: Sequence[str], signatures: Sequence[Signature]) -> Doubles:
        """Group pictures by the hash of their pixels."""
        groups: dict[str, list[int]] = {}
        for place, digest in enumerate(digests):
            groups.setdefault(digest, []).append(place)
        exact = [places for places in groups.values() if len(places) > 1]
        return cls(exact, [places[0] for places in groups.values()], signatures)

    def near(self) -> Iterator[tuple[int, int]]:
        """Pairs, among one of each picture, that look alike; in order of the first, then of the second."""
        if not self.first:
            return
        hashes = np.array([self.signatures[place][0] for place in self.first])
        averages = np.stack([self.signatures[place][1] for place in self.first])
        for here in range(len(self.first) - 1):
            bits = np.bitwise_count(hashes[here + 1 :] ^ hashes[here])
            close = here + 1 + np.flatnonzero(bits <= _HASH_BITS)
            close = close[np.abs(averages[close] - averages[here]).max(axis=1, initial=0) <= _COLOUR]
            for other in close.tolist():
                yield self.first[here], self.first[other]

    def spare(self, near: bool) -> set[int]:
        """Which to leave out so that one of each is left: of the same pixels, or also of those that look alike."""
        left_out = {place for group in self.exact for place in group[1:]}
        for here, other in self.near() if near else ():
            if here not in left_out:  # so that a chain of likenesses does not leave out its whole length
                left_out.add(other)
        return left_out


def spare_ids(pack: Pack, near: bool) -> set[str]:
    """Ids of the training pictures of a pack to leave out so that one of each is left; held-out ones stay."""
    rows = pack.indices(TRAIN).tolist()
    digests, signatures = [], []
    for row in track(rows, "looking for duplicates", len(rows)):
        picture = pack.pictures(np.array([row]))[0]
        digests.append(hashlib.sha256(picture.tobytes()).hexdigest())
        signatures.append(signature(picture) if near else (np.uint64(0), np.empty(0)))
    return {pack.ids[rows[place]] for place in Doubles.of(digests, signatures).spare(near)}


def signature(picture: np.ndarray) -> Signature:
    """A 64-bit perceptual hash and an 8 x 8 colour average of a uint8 (S, S, C) picture, both on white.

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    imagehash = require_extra()
    wide = picture.astype(np.uint16)
    flat = wide if picture.shape[-1] == 1 else wide[..., :3] + (255 - wide[..., 3:])
    flat = np.broadcast_to(flat.astype(np.uint8), (*picture.shape[:2], 3))
    bits = imagehash.phash(Image.fromarray(np.ascontiguousarray(flat))).hash
    average = pixels.area(flat[None], 8)[0].astype(np.int16).ravel()
    return np.packbits(bits.ravel()).view(np.uint64)[0], average


def require_extra() -> Any:
    """The imagehash module. Raises MissingExtraError."""
    try:
        import imagehash
    except ImportError as error:
        raise MissingExtraError("comparing pictures", "data") from error
    return imagehash
