"""A model as it is served: how it is guarded, how it takes turns, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ornstein.guard.guarded import Guarded
from ornstein.guard.guards import AnyGuard, guard_of
from ornstein.guard.rows import GuardedRows
from ornstein.guard.texts import GuardedTexts
from ornstein.model import Model
from ornstein.request import requests
from ornstein.serve.engine.engine import Engine
from ornstein.serve.lane import Lane
from ornstein.serve.monitor.energy import Meter
from ornstein.serve.monitor.metrics import Load
from ornstein.serve.stage import Stage


class Busy(Load, Protocol):
    """How busy an engine or a lane is."""

    @property
    def failure(self) -> str | None: ...


@dataclass(frozen=True)
class Served:
    """Any model as it is served.

    Attributes:
        guarded: asks its policy. meter: of energy and price. since: seconds since 1970.
    """

    name: str
    model: Any
    guarded: AnyGuard
    meter: Meter
    since: float = field(default_factory=time.time, kw_only=True)

    @property
    def makes(self) -> str:
        """What comes of it: pictures, texts or rows."""
        return self.guarded.makes

    @property
    def load(self) -> Busy:
        """How busy it is."""
        raise NotImplementedError

    def admit(self, owner: str) -> None:
        """Refuse at once what could not be done in time. Raises OverloadedError."""
        raise NotImplementedError

    def warm(self) -> float:
        """Make something that nobody sees: what is loaded at first use is loaded. Returns its seconds."""
        raise NotImplementedError

    def close(self, grace: float) -> None:
        """Take nothing more; what runs has `grace` seconds."""
        raise NotImplementedError


@dataclass(frozen=True)
class ServedPictures(Served):
    """A model of pictures: requests share calls of the network.

    Attributes:
        engine: draws. check: the stage in which outputs of all requests are looked at.
    """

    model: Model
    guarded: Guarded
    engine: Engine
    check: Stage

    @property
    def load(self) -> Busy:
        """As of ``Served``."""
        return self.engine.load

    def admit(self, owner: str) -> None:
        """As of ``Served``."""
        self.engine.admit(1, owner=owner)

    def warm(self) -> float:
        """As of ``Served``."""
        word = next(iter(getattr(self.model.encoder, "names", ())), "warm")
        asked = requests(word, 1, 0, "", self.model.recipe.sampling)
        self.guarded.prompts.check(asked)
        (output,) = self.engine.make(asked)
        self.check([output.array])
        return output.spent.computed

    def close(self, grace: float) -> None:
        """As of ``Served``."""
        self.engine.close(grace)


@dataclass(frozen=True)
class ServedFields(Served):
    """A model of texts or rows: one request at a time."""

    guarded: GuardedTexts | GuardedRows
    lane: Lane

    @property
    def load(self) -> Busy:
        """As of ``Served``."""
        return self.lane.load

    def admit(self, owner: str) -> None:
        """As of ``Served``."""
        self.lane.admit()

    def warm(self) -> float:
        """As of ``Served``."""
        seconds = self.guarded.warm().computed
        self.lane.expect(seconds)
        return seconds

    def close(self, grace: float) -> None:
        """As of ``Served``."""
        self.lane.close(grace)


def serve_model(
    model: Any, policy: Any, engine: Callable[[Model, Meter], Engine], lane: Callable[[str], Lane]
) -> Served:
    """A model behind its guard, with an engine where it makes pictures and a lane otherwise."""
    guarded, meter = guard_of(model, policy), Meter(model.device)
    name = model.recipe.name
    if isinstance(guarded, Guarded):
        check = Stage(guarded.outputs.check)
        return ServedPictures(name, guarded.model, guarded, meter, engine(guarded.model, meter), check)
    return ServedFields(name, model, guarded, meter, lane(name))
