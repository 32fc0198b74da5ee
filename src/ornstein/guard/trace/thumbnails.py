"""Small pictures of all that was trained on, so that a picture can be laid beside them: a few colours each.

A drawing has few colours, so a palette of its own keeps edges that JPEG or WebP of that size would not. A pixel is a
number of the palette, its bits kept in planes; every picture takes the same room, so one can be taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ornstein.errors import OrnsteinError

MOST_BITS, SMALLEST, LARGEST = 4, 8, 64  # bits of a pixel; sides


@dataclass(frozen=True)
class Thumbnails:
    """Pictures of `side` pixels.

    Attributes:
        side: in pixels. palettes: colours of each picture. planes: bits of its pixels' numbers, the highest first.
    """

    side: int
    palettes: UInt8[Tensor, "pictures colours 3"]
    planes: UInt8[Tensor, "pictures bits bytes"]

    @classmethod
    def of(cls, pictures: Float[Tensor, "pictures 3 size size"], side: int, bits: int) -> Thumbnails:
        """Those of pictures in [-1, 1]."""
        small = resized(pictures, side).add(1).mul(127.5).round().clamp(0, 255).byte()
        palettes = torch.zeros(len(small), 2**bits, 3, dtype=torch.uint8)
        planes = torch.zeros(len(small), bits, -(-(side**2) // 8), dtype=torch.uint8)
        for row, picture in enumerate(small.movedim(1, -1).numpy()):
            found = Image.fromarray(picture).quantize(
                2**bits, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE
            )
            colours = np.array(found.getpalette(), np.uint8)[: 3 * 2**bits].reshape(-1, 3)
            palettes[row, : len(colours)] = torch.from_numpy(colours)
            shifts = np.arange(bits)[::-1, None]
            planes[row] = torch.from_numpy(
                np.packbits(np.asarray(found).reshape(1, -1) >> shifts & 1, axis=1)
            )
        return cls(side, palettes, planes)

    def __len__(self) -> int:
        return len(self.planes)

    def __getitem__(self, rows: Int[Tensor, " rows"] | Sequence[int]) -> Thumbnails:
        return Thumbnails(self.side, self.palettes[rows], self.planes[rows])

    def pictures(self, size: int) -> Float[Tensor, "pictures 3 size size"]:
        """The pictures in [-1, 1]."""
        bits = self.planes.shape[1]
        pixels = np.unpackbits(self.planes.numpy(), axis=2, count=self.side**2)
        numbers = torch.from_numpy(np.packbits(pixels, axis=1)[:, 0] >> (8 - bits)).long()
        colours = self.palettes.gather(1, numbers[..., None].expand(-1, -1, 3))
        square = colours.movedim(1, 2).unflatten(2, (self.side, self.side)).float() / 127.5 - 1
        return resized(square, size)

    def refuse_unfit(self, count: int) -> None:
        """Raise OrnsteinError where these are not the thumbnails of so many pictures."""
        bits = self.planes.shape[1] if self.planes.ndim == 3 else 0
        fit = (
            SMALLEST <= self.side <= LARGEST
            and 1 <= bits <= MOST_BITS
            and self.planes.dtype == self.palettes.dtype == torch.uint8
            and tuple(self.palettes.shape) == (count, 2**bits, 3)
            and tuple(self.planes.shape) == (count, bits, -(-(self.side**2) // 8))
        )
        if not fit:
            raise OrnsteinError(
                "the index of sources is damaged: its ids and thumbnails do not belong together"
            )


def resized(x: Float[Tensor, "pictures 3 size size"], side: int) -> Float[Tensor, "pictures 3 side side"]:
    """Pictures of another side."""
    if x.shape[-1] == side:
        return x
    return F.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)
