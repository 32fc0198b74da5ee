r"""Which code, if any, the noise of a picture carries, and how likely chance alone would show as much.

A picture is followed back to noise with the null prompt, in few evaluations. Its coefficients $a_k$ then vote for a
code by their signs, with their size for a weight:

$$z=\frac{\sum_k a_kc_k}{\sqrt{\sum_k a_k^2}}.$$

The codes of a key know nothing of a picture that was not made with it, so there the $c_k$ are fair coins, whatever the
$a_k$ are; and of any weighted sum of coins it is proven that

$$P(z\ge x)\le 3.18\,P(N\ge x),\qquad N\ \text{standard normal}$$

(Bentkus & Dzindzalieta 2015, arXiv 1307.3451, theorem 1.1). So p-values are never too small. Every code, key and shift
that was tried is paid for (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ornstein.guard.watermark.code import CODES, Shading, spectrum
from ornstein.inverse import factor_of, invert
from ornstein.model import Model

EVALUATIONS = 3
LEVEL = 1.7
"""Logsnr at which the way back starts: about as much noise as JPEG and scaling leave behind."""
FALSE_POSITIVES = 1e-6
"""Share of pictures without a mark that are held to have one, at most."""
AT_ONCE = 512  # codes in float32: all of them at once take a quarter of a gigabyte
STEADY = 0.5
"""Of the false positives, what is granted to pictures that were not shifted; all shifts share the rest."""
COINS = 1 / (2 * math.erfc(1))  # 1 / (4 P(N >= sqrt 2)): no smaller constant will do


@dataclass(frozen=True)
class Reading:
    """The likeliest code of a picture.

    Attributes:
        key: fingerprint of its key. code: 0 to 4,095. shift: pixels that the picture was found moved, (down, right).
        score: in standard deviations of chance.
        p_value: how often at most chance would show some code of some key at some shift as clearly as this.
    """

    key: str
    code: int
    shift: tuple[int, int]
    score: float
    p_value: float

    @property
    def hit(self) -> bool:
        """Whether the picture counts as marked."""
        return self.p_value <= FALSE_POSITIVES


def detect(
    model: Model,
    pictures: np.ndarray,
    keys: Sequence[bytes],
    shifts: Iterable[tuple[int, int]] = ((0, 0),),
    models: int = 1,
) -> list[Reading]:
    """Look for marks; three evaluations of the model a picture.

    Args:
        model: that may have made them.
        pictures: uint8 (B, H, W, C), premultiplied, of a size and of channels that the model has (``restore.py``).
        keys: to look for, at least one.
        shifts: by how many pixels (down, right) the pictures may have been moved.
        models: that are asked about the same pictures, this one included.

    Raises:
        UsageError: pictures this model cannot make, or a key that is too short.
    """
    moves = tuple(shifts)
    return read(noise_of(model, pictures), keys, moves, factor_of(model), models)


def noise_of(model: Model, pictures: np.ndarray) -> np.ndarray:
    """What noise pictures are made of, as far as few evaluations tell: float64 (B, *shape of a sample)."""
    return invert(model, pictures, steps=EVALUATIONS, sampler="ddim", level=LEVEL).double().numpy()


def read(
    noise: np.ndarray,
    keys: Sequence[bytes],
    shifts: Iterable[tuple[int, int]] = ((0, 0),),
    factor: int = 1,
    models: int = 1,
) -> list[Reading]:
    """The likeliest code of the noise that each picture was found to be made of.

    Args:
        noise: (B, H, W, C), any numbers.
        keys: to look for, at least one.
        shifts: by how many pixels the pictures may have been moved; those of whole elements of noise are tried.
        factor: pixels a side of one element.
        models: that are asked.
    """
    whole = [(down, right) for down, right in shifts if not (down % factor or right % factor)]
    moves = sorted({(down // factor, right // factor) for down, right in whole})
    tried = CODES * len(keys) * models
    prices = [tried * price(move, moves) for move in moves]
    votes = np.stack(
        [votes_of(np.roll(row, (-down, -right), (0, 1))) for row in noise for down, right in moves]
    )
    found: list[list[Reading]] = [[] for _ in noise]
    for key in keys:
        name, scored = Shading(key).fingerprint, likeliest(_codes(key, noise.shape[1:]), votes)
        for k, (code, score) in enumerate(scored):
            (down, right), paid = moves[k % len(moves)], prices[k % len(moves)]
            shift, p_value = (down * factor, right * factor), min(1.0, paid * chance(score))
            found[k // len(moves)].append(Reading(name, code, shift, score, p_value))
    return [min(readings, key=lambda reading: (reading.p_value, -reading.score)) for readings in found]


def votes_of(noise: np.ndarray) -> np.ndarray:
    """Coefficients of noise as votes of unit length, float32 (K,)."""
    found = spectrum(noise).ravel()
    return (found / max(np.linalg.norm(found), np.finfo(float).tiny)).astype(np.float32)


def price(move: tuple[int, int], moves: Sequence[tuple[int, int]]) -> float:
    """By how much a p-value at one of these moves grows because the others were tried."""
    if len(moves) == 1 or (0, 0) not in moves:
        return len(moves)
    return 1 / STEADY if move == (0, 0) else (len(moves) - 1) / (1 - STEADY)


def chance(score: float) -> float:
    """The largest probability that a weighted sum of fair coins is `score` standard deviations or more."""
    return min(1.0, COINS * math.erfc(score / math.sqrt(2)) / 2)


def likeliest(codes: np.ndarray, votes: np.ndarray) -> list[tuple[int, float]]:
    """For each row of votes the code with the largest score, and the score."""
    parts = (codes[k : k + AT_ONCE].astype(np.float32) for k in range(0, len(codes), AT_ONCE))
    scores = np.concatenate([votes @ part.T for part in parts], axis=1)
    return list(zip(scores.argmax(1).tolist(), scores.max(1).tolist(), strict=True))


@lru_cache(maxsize=4)
def _codes(key: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Every code of a key, int8 (4096, K)."""
    return Shading(key).all_signs(shape)
