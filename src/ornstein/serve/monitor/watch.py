"""What is done beside the service: drift and refusals into the metrics once a minute, pruning once a day."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

import numpy as np

from ornstein.bundle import Bundle
from ornstein.errors import OrnsteinError
from ornstein.evaluate.features import find_network
from ornstein.serve.books import Books
from ornstein.serve.monitor.drift import SHARE, Drift, Refusals
from ornstein.serve.monitor.metrics import Metrics
from ornstein.serve.monitor.reference import NETWORK, Reference, default_path

log = logging.getLogger(__name__)
MINUTE, DAY = 60.0, 86_400.0


class Watch:
    """A thread beside the service; ``close`` ends it.

    Args:
        books: that are pruned. metrics: that are told. days: that the policy keeps requests; None for ever.
    """

    def __init__(self, books: Books, metrics: Metrics, days: int | None) -> None:
        self._books, self._metrics, self._days = books, metrics, days
        self._drifts: dict[str, Drift] = {}
        self._refusals, self._pruned = Refusals(), 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="watch", daemon=True)

    def start(self) -> None:
        """Begin; the first pruning is now."""
        self._thread.start()

    def follow(self, bundle: Bundle, share: float = SHARE) -> bool:
        """Look at a share of a model's outputs from now on; False where it has no reference to compare them with.

        Raises:
            OrnsteinError: its reference cannot be used.
        """
        path = default_path(bundle.fingerprint)
        if not path.is_file():
            return False
        network = find_network(NETWORK)
        reference = Reference.read(path, bundle.fingerprint, network.key)
        self._drifts[bundle.facts.name] = Drift(reference, network, share)
        return True

    def ended(self, model: str, refused: bool, pictures: Sequence[np.ndarray] = ()) -> None:
        """Tell of a request that has ended, and of its outputs, uint8 (H, W, C) premultiplied; returns at once."""
        self._refusals.add(refused)
        if model in self._drifts:
            for picture in pictures:
                self._drifts[model].add(picture)

    def measure(self) -> None:
        """Put drift and refusals into the metrics."""
        for model, drift in self._drifts.items():
            if (distance := drift.measure()) is not None:
                self._metrics.drifted(model, distance)
        if (share := self._refusals.share()) is not None:
            self._metrics.refused(share)

    def prune(self) -> None:
        """Remove what the policy no longer keeps; a failure is told, and tried again."""
        try:
            gone = self._books.prune(self._days)
        except OrnsteinError as error:
            log.warning("the books were not pruned: %s", error)
            return
        self._pruned = time.monotonic()
        if gone.requests or gone.files:
            log.info("pruned %d requests and %d files", gone.requests, gone.files)

    def close(self) -> None:
        """End the thread, and those that look at pictures."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        for drift in self._drifts.values():
            drift.close()

    def _go_on(self) -> None:
        self.prune()
        while not self._ended.wait(MINUTE):
            self.measure()
            if time.monotonic() - self._pruned > DAY:
                self.prune()
