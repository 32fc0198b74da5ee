"""A second mark, in the finished pixels of larger pictures: 32 bits by RivaGAN (Zhang et al. 2019, arXiv 1909.01285).

Two small networks that come with the package ``invisible-watermark`` hide the bits and read them. They know nothing of
the model that made a picture, so any picture can be marked, whatever its sampler, and none is needed to look for it.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from importlib.util import find_spec
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

from ornstein.errors import MissingExtraError, UsageError
from ornstein.guard.watermark.code import Shading
from ornstein.guard.watermark.detect import FALSE_POSITIVES, Reading

SMALLEST = 256  # pixels of the shorter side; the networks were trained on larger ones still
BITS = 32
WORDS = 8
"""Of a key, one for each seed. With more, thirty right bits in 32 would be too little evidence."""
HALF = 0.52  # what the reading network says of a bit that is as likely 0 as 1, by its authors


class Posthoc:
    """The words of a key.

    Args:
        key: a secret, or the public key.

    Raises:
        UsageError: a key shorter than 32 bytes. MissingExtraError: the networks or their runtime are not installed.
    """

    def __init__(self, key: bytes) -> None:
        self._shading = Shading(key)
        self.fingerprint = self._shading.fingerprint
        self._words = np.stack([_word(key, number) for number in range(WORDS)])
        _network("encoder")  # a missing package is told now, not when the first picture is done

    @staticmethod
    def fits(picture: np.ndarray) -> bool:
        """Whether (H, W, C) has room for a word."""
        return min(picture.shape[:2]) >= SMALLEST

    def word_of(self, seed: int) -> int:
        """Which of the words pictures of this seed carry: 0 to 7."""
        return self._shading.code_of(seed) % WORDS

    def embed(self, picture: np.ndarray, seed: int) -> np.ndarray:
        """A picture with the word of its seed: uint8, of the same shape; transparency stays as it is.

        Args:
            picture: uint8 (H, W, C), premultiplied RGBA, RGB or grey, sides of 256 or more.
            seed: of the picture.

        Raises:
            UsageError: a smaller picture.
        """
        frame = _frame(picture)
        bits = self._words[self.word_of(seed)][None].astype(np.float32)
        (made,) = _network("encoder").run(None, {"frame": frame, "data": bits})
        change = (made - frame)[0, :, 0].transpose(1, 2, 0) * 127.5
        return _changed(picture, change)

    def detect(self, picture: np.ndarray) -> Reading:
        """The likeliest word of a picture, by how many bits agree; exact by the binomial distribution.

        Args:
            picture: as for ``embed``.

        Raises:
            UsageError: a smaller picture.
        """
        (said,) = _network("decoder").run(None, {"frame": _frame(picture)})
        agreeing = ((said[0] > HALF) == self._words).sum(1)
        word = int(agreeing.argmax())
        right = int(agreeing[word])
        score = (2 * right - BITS) / BITS**0.5
        return Reading(self.fingerprint, word, (0, 0), score, min(1.0, WORDS * chance(right)))


def chance(right: int) -> float:
    """The probability that of 32 coins `right` or more fall as foretold."""
    return sum(comb(BITS, k) for k in range(right, BITS + 1)) / 2**BITS


def needed() -> int:
    """How many bits must agree for a hit."""
    return next(right for right in range(BITS + 1) if WORDS * chance(right) <= FALSE_POSITIVES)


def _word(key: bytes, number: int) -> np.ndarray:
    digest = hmac.digest(key, f"rivagan {number}".encode(), hashlib.sha256)
    return np.unpackbits(np.frombuffer(digest[: BITS // 8], np.uint8)).astype(bool)


def _frame(picture: np.ndarray) -> np.ndarray:
    """As the networks take it: float32 (1, 3, 1, H, W) from -1 to 1, blue first; transparent parts are black."""
    if not Posthoc.fits(picture):
        height, width = picture.shape[:2]
        raise UsageError(
            f"the second mark needs sides of {SMALLEST} pixels or more, not {width} x {height}: leave it out"
        )
    color = np.broadcast_to(picture[..., :3], (*picture.shape[:2], 3))[..., ::-1]
    return (color.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None, :, None]


def _changed(picture: np.ndarray, change: np.ndarray) -> np.ndarray:
    """A picture whose colour is changed by (H, W, 3), blue first; never beyond alpha."""
    channels = picture.shape[-1]
    moved = change.mean(-1, keepdims=True) if channels == 1 else change[..., ::-1]
    color = picture[..., :3] + np.round(moved)
    highest = picture[..., 3:] if channels == 4 else 255
    return np.concatenate([np.clip(color, 0, highest), picture[..., 3:]], axis=-1).astype(np.uint8)


@lru_cache
def _network(name: str) -> Any:
    package = find_spec("imwatermark")  # found, not imported: the package wants OpenCV, its networks do not
    try:
        import onnxruntime
    except ImportError:
        package = None
    if package is None or package.origin is None:
        raise MissingExtraError("the second watermark", "watermark", "invisible-watermark==0.2.0")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # one order of sums: the same picture has the same bytes
    return onnxruntime.InferenceSession(Path(package.origin).parent / f"rivagan_{name}.onnx", options)
