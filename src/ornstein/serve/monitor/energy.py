"""What requests cost in energy and money.

Many requests share every call of the network, so no counter can be read for one of them. What is read is the power that
the machine draws while the network is at work; a request is charged that power over its own seconds, which are its
share of each call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import torch

from ornstein.drawing import Spent
from ornstein.evaluate.energy import WATTS_A_CORE, Counter, counter, estimated_watts
from ornstein.evaluate.prices import Prices
from ornstein.serve.books.values import Charge

WINDOW = 2.0  # seconds between readings; a GPU's counter moves ten times a second
AT_WORK = 0.5  # share of a window from which its power counts as that of work
WEIGHT = 0.3  # of a new reading in the running mean


class Meter:
    """Charges for requests on one device; for any number of threads.

    Args:
        device: that the network runs on.
        prices: of machines or pictures.
        cores: that share the network's work, on a processor; None: torch's threads.
        joules: the device's counter; None to look for it.
        clock: seconds, never falling.
    """

    def __init__(
        self,
        device: torch.device,
        prices: Prices | None = None,
        cores: int | None = None,
        joules: Counter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device, self._prices, self._clock = device, prices or Prices(), clock
        self._cores = cores or torch.get_num_threads()
        self._joules = joules or counter(device)
        self._lock = threading.Lock()
        self._watts: float | None = None
        self._busy = 0.0
        self._began, self._before = clock(), self._joules() if self._joules else 0.0

    @property
    def measured(self) -> bool:
        """Whether power was read; until the first window at work has passed it is an estimate."""
        return self._watts is not None

    @property
    def watts(self) -> float:
        """That the device draws while it works."""
        return self._watts if self._watts is not None else estimated_watts(self._device, self._cores)

    def worked(self, seconds: float) -> None:
        """Tell of a call of the network that took so long and has just ended."""
        if self._joules is None:
            return
        with self._lock:
            self._busy += seconds
            passed = self._clock() - self._began
            if passed < WINDOW:
                return
            now = self._joules()
            if self._busy >= AT_WORK * passed:
                power = (now - self._before) / passed
                self._watts = power if self._watts is None else self._watts + WEIGHT * (power - self._watts)
            self._busy, self._began, self._before = 0.0, self._clock(), now

    def charge(self, spent: Spent, pictures: int) -> Charge:
        """Energy and price of what a request took; checks run on one core, whatever the network runs on."""
        joules = spent.computed * self.watts + spent.guarded * WATTS_A_CORE
        price = self._prices.of(spent.computed, self._device, self._cores, pictures)
        if self._prices.per_picture is None:
            price += self._prices.of(spent.guarded, torch.device("cpu"), 1)
        return Charge(joules, self.measured, price, self._prices.currency)
