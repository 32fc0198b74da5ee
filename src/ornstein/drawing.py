"""Drawing as a service to others: what they may watch on the way, and what it took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from ornstein.control.source import Source
from ornstein.request import Progress, Request

if TYPE_CHECKING:
    from ornstein.output import Output

Imprint = Callable[[Tensor, Sequence[int]], Tensor]
"""Changes noise (rows, *shape) of unit variance, one seed a row, before pictures are made of it; each row alone."""


@dataclass(frozen=True)
class Previews:
    """Pictures on their way, as the network guesses them.

    Attributes:
        count: of each picture, at most; spread evenly over its steps.
        show: told which picture, which of its previews (from 0), and uint8 (H, W, C), premultiplied. What it raises
            stops the work.
    """

    count: int
    show: Callable[[int, int, np.ndarray], None]

    def after(self, steps: int) -> tuple[int, ...]:
        """After which of a picture's steps; never after the last."""
        wanted = (round(steps * (k + 1) / (self.count + 1)) for k in range(self.count))
        return tuple(dict.fromkeys(step for step in wanted if 0 < step < steps))

    def of(self, places: Sequence[int]) -> Previews:
        """Previews of some of the pictures, told by their places among all."""
        return Previews(self.count, lambda row, number, guess: self.show(places[row], number, guess))


@dataclass(frozen=True)
class Spent:
    """What a picture took; sums with +.

    Attributes:
        evaluations: rows of the network. waited: seconds in a queue. computed: seconds of network and decoding, of a
            batch its share. guarded: seconds of checks.
    """

    evaluations: int = 0
    waited: float = 0.0
    computed: float = 0.0
    guarded: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.evaluations + other.evaluations,
            self.waited + other.waited,
            self.computed + other.computed,
            self.guarded + other.guarded,
        )


NOTHING = Spent()


@runtime_checkable
class Drawer(Protocol):
    """Makes pictures of requests that are spelled out: ``Model.make``, or an engine that many share.

    A `progress` or a preview that raises stops the work before the next step; what it raised passes through.
    """

    def __call__(
        self,
        asked: Sequence[Request],
        *,
        sources: Sequence[Source | None] = (),
        imprint: Imprint | None = None,
        progress: Progress = ...,
        previews: Previews | None = None,
    ) -> list[Output]: ...
