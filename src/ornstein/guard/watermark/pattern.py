"""A second mark, in finished pixels: a faint keyed pattern in their brightness.

A grid of cells is stretched over the picture. The code gives each cell a sign; there the picture is made a little
brighter or darker. Who reads compares each cell with those around it (``cells.py``). Its votes know nothing of codes,
so ``detect.chance`` bounds what chance shows, as for the mark in the noise.

Whoever marks knows the picture and the reader. So of many codes the one is taken that the picture shows most by chance
(informed coding, Costa 1983), and the change climbs the gradient of its score, in steps, until it is found after JPEG
and blur, and no further (informed embedding, Miller, Doerr & Cox 2004): flat pictures are changed little, those that
are all edges more.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from PIL import Image

from ornstein.errors import UsageError
from ornstein.guard.watermark.cells import CELLS, LENIENT, READERS, STRICT, averaging, votes_of
from ornstein.guard.watermark.code import Shading
from ornstein.guard.watermark.detect import Reading, chance, likeliest, price
from ornstein.guard.watermark.wear import blurring, both, unworn, worn

SMALLEST = 48  # pixels of the shorter side: on smaller pictures the pattern is seen
LARGEST = 128  # larger pictures are averaged down to this side to find the change
CODES = 256
"""Of a key. Each is paid for in the odds, by less than what a picture saves that may choose among them."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green, blue (BT.601), as in JPEG

TARGET = 6.75
"""Score to be reached after each kind of wear; about 6.2 is needed for a hit."""
BEYOND = 8.75  # kinds of wear count for the next step by how far they are below this
STEPS, HARD = 24, 10  # at most; after so many the lenient reader is asked, who needs a stronger pattern
STEP, MOMENTUM = 0.5, 0.3  # levels, root mean square
FULL = 12  # steps after which the change may be as large as is ever allowed
FLAT, BUSY, MOST = 14.0, 0.5, 28.0
"""Levels of 255 that a pixel may change: in flat parts; per level of deviation around it; at most."""
AROUND = 1.5  # pixels


class Pattern:
    """The patterns of a key.

    Args:
        key: a secret, or the public key.

    Raises:
        UsageError: a key shorter than 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self.fingerprint, self._codes = Shading(key).fingerprint, _codes(key)

    @staticmethod
    def fits(picture: np.ndarray) -> bool:
        """Whether (H, W, C) has room for a pattern."""
        return min(picture.shape[:2]) >= SMALLEST

    def embed(self, picture: np.ndarray) -> np.ndarray:
        """A picture with a pattern: uint8, of the same shape; transparency stays as it is.

        Args:
            picture: uint8 (H, W, C), premultiplied RGBA, RGB or grey, sides of 48 or more.

        Raises:
            UsageError: a smaller picture.
        """
        height, width = _refuse_small(picture)
        side = max(height, width)
        small = _averaged(_squared(picture), min(side, LARGEST))
        change = _change(small, self._codes)
        whole = np.asarray(Image.fromarray(change).resize((side, side), Image.Resampling.BICUBIC))
        top, left = (side - height) // 2, (side - width) // 2
        return _changed(picture, whole[top : top + height, left : left + width])

    def detect(self, picture: np.ndarray, shifts: Iterable[tuple[int, int]] = ((0, 0),)) -> Reading:
        """The likeliest pattern of a picture.

        Args:
            picture: as for ``embed``.
            shifts: by how many pixels (down, right) it may have been moved.

        Raises:
            UsageError: a smaller picture.
        """
        _refuse_small(picture)
        moves, seen = tuple(shifts), _seen(_squared(picture))
        rolled = np.stack([np.roll(seen, (-down, -right), (0, 1)) for down, right in moves])
        found = []
        for care in READERS:
            votes, _ = votes_of(rolled, care)
            for move, (code, score) in zip(moves, likeliest(self._codes, _units(votes)), strict=True):
                p_value = min(1.0, len(READERS) * CODES * price(move, moves) * chance(score))
                found.append(Reading(self.fingerprint, code, move, score, p_value))
        return min(found, key=lambda reading: (reading.p_value, -reading.score))


def _change(picture: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """What lets (N, N, C) show one of the codes despite wear: levels, float32 (N, N); as near to it as they come."""
    seen = _seen(picture)
    chips = _favoured(worn(seen), codes).reshape(CELLS, CELLS)
    around = blurring(len(seen), AROUND)
    deviation = np.sqrt(np.maximum(both(around, seen * seen) - both(around, seen) ** 2, 0))
    limit = np.minimum(FLAT + BUSY * deviation, MOST)
    visible = picture[..., 3] / np.float32(255) if picture.shape[-1] == 4 else np.float32(1)
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
    change, speed, best, highest = np.zeros_like(seen), np.zeros_like(seen), np.zeros_like(seen), -np.inf
    for step in range(1, STEPS + 1):
        now = np.moveaxis(_changed_planes(planes, change), 0, -1)
        votes, owed = votes_of(worn(_seen(now)), STRICT if step <= HARD else LENIENT)
        lengths = np.linalg.norm(votes, axis=(1, 2), keepdims=True) + np.float32(1e-6)
        scores = (votes * chips).sum((1, 2), keepdims=True) / lengths
        if (reached := float(np.minimum(scores, TARGET).mean())) > highest:
            highest, best = reached, change
        if scores.min() >= TARGET:
            break
        rise = np.maximum(BEYOND - scores, 0) * (chips - scores * votes / lengths)
        pull = unworn(owed(rise)) * visible
        speed = MOMENTUM * speed + pull / (np.sqrt((pull * pull).mean()) + np.float32(1e-9))
        most = limit * min(1, step / FULL)
        change = np.clip(change + STEP * speed, -most, most)
    return best


def _favoured(seen: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The code that brightnesses (B, N, N) show most already, to either reader: it needs the least change."""
    votes = np.concatenate([votes_of(seen, care)[0] for care in READERS])
    return codes[np.einsum("vc,kc->vk", _units(votes), codes).min(0).argmax()]


def _units(votes: np.ndarray) -> np.ndarray:
    """Votes (B, G, G) as rows of length 1, or 0 where nothing votes."""
    rows = votes.reshape(len(votes), -1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def _changed(picture: np.ndarray, change: np.ndarray) -> np.ndarray:
    """A picture (H, W, C) whose colour is brighter by (H, W) levels where it is opaque; never beyond alpha."""
    made = _changed_planes(np.ascontiguousarray(picture.transpose(2, 0, 1)), change)
    return np.ascontiguousarray(made.transpose(1, 2, 0))


def _changed_planes(planes: np.ndarray, change: np.ndarray) -> np.ndarray:
    """As ``_changed``, of a picture (C, H, W), whose channels are each in one piece: that takes a third of the time."""
    made, highest = planes.copy(), np.float32(255)
    if len(planes) == 4:
        highest = planes[3].astype(np.float32)
        change = change * highest / 255
    moved = np.rint(planes[:3] + change)
    made[:3] = np.maximum(np.minimum(moved, highest), 0)
    return made


def _seen(picture: np.ndarray) -> np.ndarray:
    """Brightness before white, float32 (H, W)."""
    bright = picture[..., 0].astype(np.float32)
    if picture.shape[-1] > 1:  # no product of matrices: for those BLAS wakes threads that then spin
        bright = bright * LUMA[0] + picture[..., 1] * LUMA[1] + picture[..., 2] * LUMA[2]
    return bright + (255 - picture[..., 3]) if picture.shape[-1] == 4 else bright


def _squared(picture: np.ndarray) -> np.ndarray:
    """In the middle of a square, as pictures are read: what is around is transparent, or white."""
    side = max(picture.shape[:2])
    if picture.shape[:2] == (side, side):
        return picture
    spare = [(side - length) // 2 for length in picture.shape[:2]]
    around = [(low, side - length - low) for low, length in zip(spare, picture.shape[:2], strict=True)]
    return np.pad(picture, (*around, (0, 0)), constant_values=0 if picture.shape[-1] == 4 else 255)


def _averaged(picture: np.ndarray, side: int) -> np.ndarray:
    """A square picture (N, N, C) at this side."""
    if len(picture) == side:
        return picture
    channels = both(averaging(len(picture), side), picture.transpose(2, 0, 1))
    return np.round(channels).astype(np.uint8).transpose(1, 2, 0)


def _refuse_small(picture: np.ndarray) -> tuple[int, int]:
    height, width = picture.shape[:2]
    if not Pattern.fits(picture):
        raise UsageError(
            f"the pattern needs sides of {SMALLEST} pixels or more, not {width} x {height}: leave it out"
        )
    return height, width


@lru_cache(maxsize=4)
def _codes(key: bytes) -> np.ndarray:
    """Every code of a key, float32 (256, cells squared)."""
    shading = Shading(key)
    return np.stack([shading.chips(code, CELLS).ravel() for code in range(CODES)]).astype(np.float32)
