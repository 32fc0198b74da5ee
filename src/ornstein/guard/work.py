"""What one call of the guard draws with and looks with: the model's own means, or those of a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ornstein.control.source import Source
from ornstein.drawing import Drawer, Previews, Spent
from ornstein.guard.decision import Decision, strictest
from ornstein.output import Output

Check = Callable[[Sequence[np.ndarray]], list[tuple[Decision, ...]]]
"""The decisions for each picture, uint8 (H, W, C) premultiplied: ``OutputChecks.check``, or one that many share."""


@dataclass(frozen=True)
class Work:
    """What one call draws and looks with.

    Attributes:
        draw, check: see ``Guarded.make``. sources: of its pictures, in their order.
    """

    draw: Drawer
    check: Check
    sources: Sequence[Source | None]

    def look(self, outputs: Sequence[Output]) -> tuple[list[Output], list[tuple[Decision, ...]]]:
        """The pictures, with what looking took, and what was decided of each. Raises CheckerError."""
        started = time.perf_counter()
        found = self.check([output.array for output in outputs])
        share = Spent(guarded=(time.perf_counter() - started) / max(len(outputs), 1))
        return [replace(output, spent=output.spent + share) for output in outputs], found

    def checked(self, previews: Previews, places: Sequence[int]) -> Previews:
        """Previews of the pictures at some places of the call that show only what the checks let pass."""

        def show(picture: int, number: int, guess: np.ndarray) -> None:
            (decisions,) = self.check([guess])
            if strictest(decisions) == "allow":
                previews.show(places[picture], number, guess)

        return Previews(previews.count, show)
