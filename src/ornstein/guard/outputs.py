"""What is looked for in finished pictures: what the policy's filters see, and copies of training pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ornstein.guard.decision import CheckerError, Decision
from ornstein.guard.pictures.filter import PictureFilter
from ornstein.guard.policy import OutputStage
from ornstein.guard.trace.sources import Sources
from ornstein.model import Model

NEAR = "it is nearer to a training picture than pictures that copy nothing are"
UNKNOWN = "what this model learned from is not known: copies cannot be told"


class OutputChecks:
    """The checks of one policy for one model.

    Raises:
        OrnsteinError: the model names its training pictures, and their index is missing or altered.
        MissingExtraError, CheckerError: a filter that cannot be loaded.
    """

    def __init__(self, stage: OutputStage, model: Model) -> None:
        self.filter = PictureFilter(stage.checkers, "output")
        self.copies = stage.copies
        bundle = model.bundle
        known = bundle if bundle is not None and bundle.facts.data is not None else None
        self.sources = Sources.open(known) if known and stage.copies else None

    def check(self, pictures: Sequence[np.ndarray]) -> list[tuple[Decision, ...]]:
        """The decisions for each picture, uint8 (H, W, C) premultiplied. Raises CheckerError: a check broke down."""
        out: list[tuple[Decision, ...]] = [()] * len(pictures)
        sizes: dict[tuple[int, ...], list[int]] = {}
        for k, picture in enumerate(pictures):
            sizes.setdefault(picture.shape, []).append(k)
        for places in sizes.values():
            batch = np.stack([pictures[k] for k in places])
            for k, seen, copied in zip(places, self.filter.check(batch), self._copied(batch), strict=True):
                out[k] = (*seen, *copied)
        return out

    def _copied(self, batch: np.ndarray) -> list[tuple[Decision, ...]]:
        copies = self.copies
        if copies is None:
            return [()] * len(batch)
        if self.sources is None:
            return [(Decision(stage="output", action="allow", rule="copies", reason=UNKNOWN),)] * len(batch)
        try:
            least, found = self.sources.least(copies.alpha), self.sources.check(batch)
        except Exception as error:  # whatever it is, nothing passes unchecked
            raise CheckerError(f"the search for copies broke down ({type(error).__name__})") from error
        return [
            (Decision(stage="output", action=copies.action, rule="copies", reason=NEAR, finding=finding),)
            if finding.score >= least
            else ()
            for finding in found
        ]
