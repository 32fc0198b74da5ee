"""Which training pictures is a picture similar to, and is it nearer to one than any honest picture would be?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ornstein.bundle import MANIFEST, SOURCES, Bundle
from ornstein.data import manifest
from ornstein.data.manifest import Row
from ornstein.errors import OrnsteinError
from ornstein.guard.decision import Finding
from ornstein.guard.trace.calibrate import Null
from ornstein.guard.trace.index import Index

CHECKER, LABEL = "copies", "copy"


@dataclass(frozen=True)
class Source:
    """A training picture that another is similar to.

    Attributes:
        id: in the manifest. distance: of their descriptions, 0 to 2; altered copies mostly lie under 0.6.
        licence: SPDX identifier. holder: whom it asks to name. source: package, version and file. caption: what it is.
    """

    id: str
    distance: float
    licence: str
    holder: str
    source: str
    caption: str


@dataclass(frozen=True)
class Traced:
    """What a picture is similar to.

    Attributes:
        sources: likeliest first. score: log-odds that it is no copy of the first; its rank among honest ones counts.
        p: share of honest pictures with a score as small, at most; not below 1 / (1 + those it was calibrated on).
    """

    sources: tuple[Source, ...]
    score: float
    p: float


class Sources:
    """The sources of one model.

    Args:
        index: of what it was trained on.
        bundle: the model.
    """

    def __init__(self, index: Index, bundle: Bundle) -> None:
        self.index, self.bundle = index, bundle

    @classmethod
    def open(cls, bundle: Bundle) -> Sources:
        """The sources of a bundle, whose hashes were checked when it was opened.

        Raises:
            OrnsteinError: it has no index (the command that builds one is named), or one that is damaged, of another
                manifest, or without a held-out picture to judge by.
        """
        folder, data = bundle.folder, bundle.facts.data
        if data is None:
            raise OrnsteinError(
                f"{folder} does not tell what it learned from: its sources cannot be searched"
            )
        if SOURCES not in bundle.facts.files:
            raise OrnsteinError(
                f"{folder} has no index of its sources: build one with `ornstein data index {folder}`"
            )
        try:
            index = Index.of_bytes((folder / SOURCES).read_bytes())
        except OSError as error:
            raise OrnsteinError(f"cannot read {folder / SOURCES}: {error.strerror}") from error
        if index.root != data.root:
            raise OrnsteinError(
                f"{folder / SOURCES} belongs to another manifest: build it with `ornstein data index {folder}`"
            )
        if not len(index.null.scores):
            raise OrnsteinError(f"{folder} held no picture out: there is nothing to judge likeness by")
        return cls(index, bundle)

    @property
    def null(self) -> Null:
        """Scores of held-out pictures, which turn a score into a p-value and an alpha into a threshold."""
        return self.index.null

    def nearest(self, pictures: np.ndarray, k: int = 5) -> list[Traced]:
        """What each of uint8 (B, H, W, C) pictures is similar to: premultiplied RGBA, RGB or grey, all square.

        Raises:
            OrnsteinError: the manifest cannot be read (it takes ``pip install 'ornstein[data]'``).
        """
        found = self.index.look(pictures, k)
        p = self.null.p(found.score).tolist()
        return [
            Traced(self._sources(places, distances), score, p[row])
            for row, (places, distances, score) in enumerate(
                zip(found.where.tolist(), found.distance.tolist(), found.score.tolist(), strict=True)
            )
        ]

    def is_copy(self, pictures: np.ndarray, alpha: float) -> np.ndarray:
        """Which of uint8 (B, H, W, C) pictures are nearer to a training picture than honest ones are, (B,) bool.

        Where too few pictures were held out to tell `alpha`, the smallest share that they can tell takes its place.

        Args:
            pictures: premultiplied RGBA, RGB or grey, all square.
            alpha: share of honest pictures that may be held to be copies.
        """
        found = self.index.look(pictures)
        return (found.score < self.null.threshold(self.null.reachable(alpha))).numpy()

    def check(self, pictures: np.ndarray) -> list[Finding]:
        """One finding for each of uint8 (B, H, W, C) pictures, its score 1 - p: a copy from 1 - alpha on.

        Needs neither the pack nor the manifest.
        """
        found = self.index.look(pictures)
        return [
            Finding(checker=CHECKER, label=LABEL, score=1 - p, where=self.index.ids[place])
            for p, place in zip(self.null.p(found.score).tolist(), found.where[:, 0].tolist(), strict=True)
        ]

    def least(self, alpha: float) -> float:
        """The score of a finding from which on a picture counts as a copy at `alpha`, as in ``is_copy``."""
        return 1 - self.null.reachable(alpha) - 1e-9

    @cached_property
    def _rows(self) -> dict[str, Row]:
        return {row.id: row for row in manifest.read(self.bundle.folder / MANIFEST)}

    def _sources(self, places: Sequence[int], distances: Sequence[float]) -> tuple[Source, ...]:
        ids = [self.index.ids[place] for place in places]
        if lacking := [one for one in ids if one not in self._rows]:
            raise OrnsteinError(
                f"{self.bundle.folder}: the manifest does not list {lacking[0]}, the index does"
            )
        rows = [self._rows[one] for one in ids]
        return tuple(
            Source(
                row.id, distance, row.licence, row.holder, row.source, row.captions[0] if row.captions else ""
            )
            for row, distance in zip(rows, distances, strict=True)
        )
