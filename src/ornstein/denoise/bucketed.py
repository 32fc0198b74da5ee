"""A network called with few fixed numbers of rows: shapes stay static, and rows are rounded alike in any company."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ornstein.process.fields import fieldwise, first_tensor, select_rows


@dataclass(frozen=True)
class Bucketed:
    """A network that is only ever called with as many rows as one of its buckets has.

    How a row is rounded can depend on how many rows a product has, but not on which of them it is or what the others
    hold; so with a single bucket its bits depend on nothing but itself.

    Attributes:
        network: what is called, a ``precondition.Network`` or a ``product.FieldsNetwork``.
        sizes: rows of the buckets, rising; the smallest that holds all rows is taken, or the largest several times.
    """

    network: Callable[..., Any]
    sizes: Sequence[int]

    def calls(self, rows: int) -> list[tuple[int, int]]:
        """How many of so many rows each call is for, and of how many it is."""
        largest = self.sizes[-1]
        parts = [largest] * (rows // largest) + ([rows % largest] if rows % largest else [])
        return [(part, next(size for size in self.sizes if size >= part)) for part in parts]

    def __call__(self, z: Any, logsnr: Any, condition: Any) -> Any:
        """As the network's own; what fills up a bucket is its last row, again."""
        made: list[Any] = []
        start, whole = 0, first_tensor(z)
        for rows, bucket in self.calls(len(whole)):
            part = z, logsnr, condition
            if (rows, bucket) != (len(whole), len(whole)):
                index = torch.arange(start, start + bucket).clamp(max=start + rows - 1).to(whole.device)
                part = select_rows(z, index), select_rows(logsnr, index), select_rows(condition, index)
            made.append(fieldwise(_first, self.network(*part), rows))
            start += rows
        return made[0] if len(made) == 1 else fieldwise(_joined, *made)


def _first(x: Tensor, rows: int) -> Tensor:
    return x[:rows]


def _joined(*parts: Tensor) -> Tensor:
    return torch.cat(parts)
