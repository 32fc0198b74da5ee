"""A picture that another is made from, and which parts of it may change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from ornstein.config import Config
from ornstein.errors import UsageError

WHOLE, MASKED = 0.6, 1.0
"""Strengths where none is asked for: of whole pictures, and of parts, which owe nothing to what was there."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Brought(Config):
    """What a record says of a source: hashes of its pixels and of its mask, and the strength."""

    picture: Sha256
    mask: Sha256 | None = None
    strength: float = Field(gt=0, le=1)


@dataclass(frozen=True)
class Source:
    """Where a picture starts from, in place of noise alone.

    Attributes:
        picture: uint8 (H, W, C), premultiplied, as the model makes them.
        mask: bool (H, W), True where it may change; None for everywhere.
        strength: share of the sampler's steps that are taken, above 0; at 1 only noise is left of what may change.
        file: that it was read from, the ingredient of the credential; None where there is none.

    Raises:
        UsageError: a strength out of range, a mask of another size, or one that lets nothing change.
    """

    picture: np.ndarray
    mask: np.ndarray | None = None
    strength: float = WHOLE
    file: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise UsageError(f"strength must be above 0 and at most 1, not {self.strength:g}")
        if self.mask is None:
            return
        if self.mask.shape != self.picture.shape[:2]:
            mask, picture = (f"{array.shape[1]} x {array.shape[0]}" for array in (self.mask, self.picture))
            raise UsageError(f"the mask is {mask}, the picture {picture}: make them of one size")
        if not self.mask.any():
            raise UsageError("the mask lets nothing change: make transparent what is to be drawn anew")

    @property
    def brought(self) -> Brought:
        """For the record."""
        mask = None if self.mask is None else _digest(np.packbits(self.mask))
        return Brought(picture=_digest(self.picture), mask=mask, strength=self.strength)

    def skipped(self, steps: int) -> int:
        """How many of a sampler's first steps are left out; one is always taken."""
        return steps - max(1, round(self.strength * steps))

    def kept(self, made: np.ndarray) -> np.ndarray:
        """A made picture with the very pixels of the source where nothing may change."""
        return made if self.mask is None else np.where(self.mask[..., None], made, self.picture)


def kept(pictures: np.ndarray, sources: Sequence[Source | None]) -> np.ndarray:
    """Made pictures (B, H, W, C), each as ``Source.kept`` where it has a source; `sources` () for none at all."""
    if not any(sources):
        return pictures
    pairs = zip(pictures, sources, strict=True)
    return np.stack([picture if source is None else source.kept(picture) for picture, source in pairs])


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
