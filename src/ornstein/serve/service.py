"""Models behind their engines and guards, the books and the store, as one thing to ask."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from ornstein.errors import OrnsteinError, nearest
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.policy import Policy
from ornstein.loading import load
from ornstein.model import Model
from ornstein.serve.books import Books, Key, RateLimit, Store
from ornstein.serve.engine.engine import Engine
from ornstein.serve.engine.gather import Tick
from ornstein.serve.engine.queue import OverloadedError
from ornstein.serve.lane import Lane
from ornstein.serve.monitor.energy import Meter
from ornstein.serve.monitor.metrics import Metrics
from ornstein.serve.monitor.tracing import Tracing
from ornstein.serve.monitor.watch import Watch
from ornstein.serve.pace import Pace
from ornstein.serve.served import Served, serve_model
from ornstein.train.device import find_device

log = logging.getLogger("ornstein.serve")
OBJECTIVE = 30.0  # seconds
SPARE = 8  # threads beside those of admitted requests, for what only reads
State = Literal["loading", "ready", "closing", "broken"]


class UnknownModelError(OrnsteinError):
    """A model that is not served here."""


def _alone() -> None:
    """Have this thread share its products with no other: many threads that each ask for all cores slow the network."""
    torch.get_num_threads()  # a thread's first question resets its own number to the process's
    torch.set_num_threads(1)


@dataclass(frozen=True)
class Bounds:
    """What one request, and all together, may take.

    Attributes:
        seconds: of a request in all. body_seconds: until its body is there.
        json_bytes, upload_bytes: of a body. pixels: of a picture that is brought.
        waiting: pictures that wait or run. link_seconds: for which a link to a picture opens.
        url_inputs: whether pictures are fetched from addresses.
    """

    seconds: float = 300.0
    body_seconds: float = 30.0
    json_bytes: int = 64 << 10
    upload_bytes: int = 20 << 20
    pixels: int = 16 << 20
    waiting: int = 256
    link_seconds: float = 3600.0
    url_inputs: bool = False


class Service:
    """What the interface asks; every method may be called by many threads.

    Args:
        books: opened. store: of the files.
        policy: of all models.
        bounds: of requests.
        metrics, tracing: told of everything.
        secret: signs links.
        local: the key of those who ask without one; None where everybody needs one.
    """

    def __init__(
        self,
        books: Books,
        store: Store,
        policy: Policy,
        bounds: Bounds,
        metrics: Metrics,
        tracing: Tracing,
        secret: bytes,
        local: Key | None = None,
    ) -> None:
        self.books, self.store, self.policy, self.bounds = books, store, policy, bounds
        self.metrics, self.tracing, self.secret, self.local = metrics, tracing, secret, local
        self.rates, self.pace = RateLimit(), Pace()
        self.watch = Watch(books, metrics, policy.records.days if policy.records else None)
        self.models: dict[str, Served] = {}
        self.shares: dict[str, float] = {}
        self.objective = OBJECTIVE
        self.state: State = "loading"
        self.failure: Exception | None = None
        self.pool = ThreadPoolExecutor(bounds.waiting + SPARE, "request", initializer=_alone)

    def load(
        self,
        folders: Sequence[Path],
        device: torch.device | None = None,
        objective: float = OBJECTIVE,
        **settings: Any,
    ) -> None:
        """Load bundles, and begin to serve once all are there.

        Args:
            folders: of bundles.
            device: where they compute; a GPU where there is one, if None.
            objective: seconds within which what is let in shall be answered.
            settings: of each ``Engine``.

        Raises:
            OrnsteinError: a bundle that cannot be used, or what the policy names for it is missing.
        """
        self.objective, slowest = objective, 0.0
        try:
            for folder in folders:
                served = self._served(load(folder, device or find_device("auto")), settings)
                slowest = max(slowest, served.warm())
                self.models[served.name] = served
                if served.model.bundle is not None and self.watch.follow(served.model.bundle):
                    log.info("%s: outputs are compared with its reference", served.name)
        except Exception as error:
            self.state, self.failure = "broken", error
            raise
        self.pace.expect(slowest)
        self.watch.start()
        self.state = "ready"
        log.info("ready: %s", ", ".join(self.models))

    def _served(self, model: Any, settings: Mapping[str, Any]) -> Served:
        """A model behind its guard, counted by the metrics."""
        name = model.recipe.name

        def engine(drawing: Model, meter: Meter) -> Engine:
            def watch(tick: Tick) -> None:
                self.metrics.called(name, tick)
                meter.worked(tick.seconds)

            return Engine(
                drawing, waiting=self.bounds.waiting, share=self._share, watch=watch, objective=self.objective,
                **settings,
            )  # fmt: skip

        one = serve_model(
            model,
            self.policy,
            engine,
            lambda name: Lane(name, self.bounds.waiting, self.objective, self._share),
        )
        self.metrics.watch(name, lambda: one.load)
        return one

    def served(self, name: str | None) -> Served:
        """A model by name; the first where none is named. Raises UnknownModelError."""
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            raise UnknownModelError(f"no model {name[:80]!r} is served here{nearest(name[:80], self.models)}")
        return self.models[name]

    def admit(self, owner: str) -> None:
        """Let a request in whose model is not known yet, or refuse it within microseconds.

        Args:
            owner: whose it is.

        Raises:
            OverloadedError: those that were let in, be they still read, looked at, drawn or signed, already take too
                long at the pace of late; or no engine has room.
        """
        self.pace.admit(self.objective)
        least: OverloadedError | None = None
        for served in self.models.values():
            try:
                return served.admit(owner)
            except OverloadedError as error:
                least = error if least is None or error.retry_after < least.retry_after else least
        if least is not None:
            raise least
        return None

    def key(self, secret: str | None, *, remembered: bool = False) -> Key | None:
        """Whose secret it is; None for nobody's. Where nobody needs one, any is as good.

        Args:
            secret: None where none was shown.
            remembered: without asking the books, so that it costs nothing.

        Raises:
            BooksError: the database is down.
        """
        if secret is None or self.local is not None:
            return self.local
        key = self.books.keys.remembered(secret) if remembered else self.books.keys.find(secret)
        if key is not None:
            self.shares[key.id] = key.limits.share
        return key

    def notice_keys(self) -> None:
        """From the moment there is a key, nobody is answered without one. Raises BooksError: the database is down."""
        if self.local is not None and self.books.keys.any():
            self.local = None
            log.info("there is a key now: nobody is answered without one any more")

    def _share(self, owner: str) -> float:
        """Of the engine, that a key has relative to others."""
        return self.shares.get(owner, 1.0)

    def hashed(self, user: str) -> str:
        """The keyed hash that stands in the books for whom a request is for."""
        return hmac.new(self.secret, user.encode("utf-8", "backslashreplace"), "sha256").hexdigest()[:32]

    @property
    def trust(self) -> Trust:
        """Whom to believe now: the development certificate comes into being when the first file is signed."""
        return Trust.find()

    @property
    def healthy(self) -> bool:
        """Whether it can do what it is asked: everything is loaded and the engines run."""
        return self.state == "ready" and all(served.load.failure is None for served in self.models.values())

    def close(self, grace: float) -> None:
        """Take nothing more, let what runs finish within `grace` seconds, and mark the rest."""
        self.state = "closing"
        ends = time.monotonic() + grace
        for served in self.models.values():
            served.close(max(0.0, ends - time.monotonic()))
        self.pool.shutdown(cancel_futures=True)
        self.watch.close()
        self.books.close()
