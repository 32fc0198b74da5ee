"""Whether what a model serves now is like what it served when it was found to be good.

Outputs are looked at beside the service, never within a request: a sample of them waits for a thread of its own, and
where that does not keep up pictures are left out, not requests held up.
"""

from __future__ import annotations

import contextlib
import queue
import random
import threading
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ornstein.evaluate.estimate import Estimate, difference, of_mean
from ornstein.evaluate.features import FeatureNetwork
from ornstein.serve.monitor.reference import FEWEST, Reference

WINDOW = 512  # pictures, and requests, that count as recent
SHARE = 0.1  # of outputs that are looked at
WAITING = 64  # pictures that wait at most
BATCH = 16  # pictures looked at together


class Drift:
    """Distance of recent outputs to a reference; for any number of threads. ``close`` ends its thread.

    Args:
        reference: of the model.
        network: whose features it is in.
        share: of outputs that are looked at.
        window: latest pictures that count.
    """

    def __init__(
        self, reference: Reference, network: FeatureNetwork, share: float = SHARE, window: int = WINDOW
    ) -> None:
        self.reference, self._network, self._share = reference, network, share
        self._recent: deque[Tensor] = deque(maxlen=window)
        self._waiting: queue.Queue[np.ndarray | None] = queue.Queue(WAITING)
        self._lock, self._choice = threading.Lock(), random.Random()
        self._thread = threading.Thread(target=self._look, name="drift", daemon=True)
        self._thread.start()

    def add(self, picture: np.ndarray) -> None:
        """Tell of an output, uint8 (H, W, C) premultiplied; returns at once."""
        if self._choice.random() < self._share:
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(picture)

    def measure(self) -> Estimate | None:
        """KID of recent outputs with its 95% interval; None while there are too few."""
        with self._lock:
            recent = list(self._recent)
        return self.reference.distance(torch.stack(recent)) if len(recent) >= FEWEST else None

    def settle(self) -> None:
        """Wait until all that was told so far has been looked at."""
        self._waiting.join()

    def close(self) -> None:
        """Look at what waits, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _look(self) -> None:
        while True:
            taken = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while len(taken) < BATCH:
                    taken.append(self._waiting.get_nowait())
            pictures = [picture for picture in taken if picture is not None]
            found = looked_at(self._network, pictures)
            with self._lock:
                self._recent.extend(found)
            for _ in taken:
                self._waiting.task_done()
            if len(pictures) < len(taken):
                return


class Refusals:
    """Share of recent requests that the policy refused; for any number of threads.

    Args:
        window: latest requests that count.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._recent: deque[bool] = deque(maxlen=window)

    def add(self, refused: bool) -> None:
        """Tell of a request."""
        self._recent.append(refused)

    def share(self) -> Estimate | None:
        """With Wilson's 95% interval; None before the first request."""
        recent = list(self._recent)
        return of_mean(np.array(recent)) if recent else None


def shift(recent: Estimate, reference: Reference) -> Estimate | None:
    """How much more is refused than when the reference was served; None where it was not served."""
    before = reference.refusals()
    return difference(recent, before) if before is not None else None


def looked_at(network: FeatureNetwork, pictures: Sequence[np.ndarray]) -> list[Tensor]:
    """Features (D,) of pictures, uint8 (H, W, C) of any sizes; those of one size together."""
    alike: dict[tuple[int, ...], list[np.ndarray]] = {}
    for picture in pictures:
        alike.setdefault(picture.shape, []).append(picture)
    return [feature for group in alike.values() for feature in network(np.stack(group))]
