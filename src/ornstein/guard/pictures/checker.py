"""What a checker of pictures is, which ones there are, and how pictures are laid before them."""

from __future__ import annotations

import importlib
from typing import Protocol

import numpy as np

from ornstein.errors import MissingExtraError, UsageError, nearest
from ornstein.guard.decision import CheckerError

CHECKERS = {
    "opennsfw": "ornstein.guard.pictures.opennsfw",
    "shieldgemma": "ornstein.guard.pictures.shieldgemma",
    "nudenet": "ornstein.guard.pictures.nudenet",
}
"""Modules with a function ``load(source)``, which is given what stands behind a colon in the name, or None."""

NEARLY_WHITE = 0.8  # mean of the ink, each pixel weighed by how opaque it is; 1 is white


class PictureChecker(Protocol):
    """Gives pictures scores.

    Attributes:
        name: as a policy calls it. labels: what it looks for.
    """

    name: str
    labels: tuple[str, ...]

    def scores(self, pictures: np.ndarray) -> list[dict[str, float]]:
        """For each of opaque pictures, uint8 (B, H, W, 3), a score from 0 to 1 for each label."""
        ...


def find_checker(name: str) -> PictureChecker:
    """A checker by its name: ``"opennsfw"``, ``"shieldgemma:FOLDER"``.

    Raises:
        UsageError: no such checker. CheckerError: its packages or weights are not there.
    """
    kind, _, source = name.partition(":")
    if kind not in CHECKERS:
        raise UsageError(f"no checker of pictures is called {kind!r}{nearest(kind, CHECKERS)}")
    try:
        return importlib.import_module(CHECKERS[kind]).load(source or None)
    except MissingExtraError as error:
        raise CheckerError(f"{error}; without it nothing passes: the policy asks for {kind}") from error


def lay(pictures: np.ndarray) -> np.ndarray:
    """Pictures as checkers take them, opaque uint8 (B, H, W, 3).

    Args:
        pictures: uint8 (B, H, W, C): premultiplied RGBA, RGB or grey. What is transparent is laid on white, or on
            black where the ink itself is nearly white: else it could not be seen.

    Raises:
        ValueError: of another shape or type.
    """
    if pictures.ndim != 4 or pictures.dtype != np.uint8 or pictures.shape[-1] not in (1, 3, 4):
        raise ValueError(f"pictures are uint8 (B, H, W, 1, 3 or 4), not {pictures.dtype} {pictures.shape}")
    if pictures.shape[-1] == 1:
        return np.repeat(pictures, 3, axis=-1)
    if pictures.shape[-1] == 3:
        return pictures
    ink, alpha = pictures[..., :3], pictures[..., 3:]
    covered = alpha.sum((1, 2, 3), dtype=np.int64)
    light = ink.mean(-1).sum((1, 2)) > NEARLY_WHITE * covered
    return np.where(light[:, None, None, None], ink, ink + (255 - alpha))
