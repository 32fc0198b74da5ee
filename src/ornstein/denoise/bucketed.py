"""A network called with few fixed numbers of rows: shapes stay static, and rows are rounded alike in any company."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ornstein.denoise.precondition import Network
from ornstein.process.fields import select_rows


@dataclass(frozen=True)
class Bucketed:
    """A ``precondition.Network`` that is only ever called with as many rows as one of its buckets has.

    How a row is rounded can depend on how many rows a product has, but not on which of them it is or what the others
    hold; so with a single bucket its bits depend on nothing but itself.

    Attributes:
        network: what is called.
        sizes: rows of the buckets, rising; the smallest that holds all rows is taken, or the largest several times.
    """

    network: Network
    sizes: Sequence[int]

    def calls(self, rows: int) -> list[tuple[int, int]]:
        """How many of so many rows each call is for, and of how many it is."""
        largest = self.sizes[-1]
        parts = [largest] * (rows // largest) + ([rows % largest] if rows % largest else [])
        return [(part, next(size for size in self.sizes if size >= part)) for part in parts]

    def __call__(self, z: Tensor, logsnr: Tensor, condition: Any) -> Tensor:
        """As ``precondition.Network``; what fills up a bucket is its last row, again."""
        made: list[Tensor] = []
        start = 0
        for rows, bucket in self.calls(len(z)):
            part = z, logsnr, condition
            if (rows, bucket) != (len(z), len(z)):
                index = torch.arange(start, start + bucket).clamp(max=start + rows - 1).to(z.device)
                part = select_rows(z, index), select_rows(logsnr, index), select_rows(condition, index)
            made.append(self.network(*part)[:rows])
            start += rows
        return made[0] if len(made) == 1 else torch.cat(made)
