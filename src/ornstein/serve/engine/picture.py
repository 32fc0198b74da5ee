"""One picture on its way: the sampler as it is everywhere else, halted whenever it asks the network.

A greenlet is a function that can be left in the middle and gone on with later. So samplers, guidance and control are
those of ``Model.make``, to the last line; only the network beneath them is another, which hands its rows over and waits
until somebody has called the real one for many pictures at once.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet
from torch import Tensor

from ornstein.control.source import Source
from ornstein.denoise.precondition import Network
from ornstein.errors import OrnsteinError
from ornstein.output import one_line
from ornstein.process.fields import first_tensor
from ornstein.request import Request
from ornstein.sample.loop import State
from ornstein.serve.engine.gather import Evaluation
from ornstein.serve.engine.queue import Lane


@dataclass(frozen=True)
class Asked:
    """What a picture is to be.

    Attributes:
        request: in words and numbers. source: what it is made from; None for noise alone.
    """

    request: Request
    source: Source | None

    @property
    def steps(self) -> int:
        """That are taken."""
        return self.request.steps - (self.source.skipped(self.request.steps) if self.source else 0)


@dataclass(frozen=True)
class Halting:
    """A ``precondition.Network`` that halts the picture that calls it until it is answered.

    Attributes:
        most: rows that a call for such pictures may have.
        alone: answers in the place of the network that all share.
    """

    most: int
    alone: Network | None = None

    def __call__(self, z: Tensor, logsnr: Tensor, condition: Any) -> Tensor:
        """As ``precondition.Network``. Raises OrnsteinError where the call of the real network broke down."""
        asked = Evaluation(z, logsnr, condition, self.most, self.alone)
        engine = getcurrent().parent
        assert engine is not None
        engine.switch(asked)
        if isinstance(asked.answer, Exception):
            raise OrnsteinError(f"the network broke down: {one_line(asked.answer)}") from asked.answer
        assert asked.answer is not None
        return asked.answer


@dataclass(frozen=True)
class Moved:
    """A step was made: how many by now, and the posterior mean where it is to be shown."""

    which: int
    step: int
    mean: Tensor | None


@dataclass(frozen=True)
class Finished:
    """A picture is whole, and not yet decoded."""

    picture: Picture
    x: Tensor


@dataclass(frozen=True)
class Failed:
    """A picture will not be."""

    error: Exception


@dataclass(eq=False)
class Call:
    """One caller's call, as the engine's thread knows it.

    Attributes:
        lane: its place in the queue. messages: to the caller. wanted: until the caller leaves.
    """

    lane: Lane[Picture]
    messages: SimpleQueue[Moved | Finished | Failed] = field(default_factory=SimpleQueue)
    wanted: bool = True


@dataclass(eq=False)
class Picture:
    """A picture that is being made; only one of the engine's threads moves it.

    Attributes:
        call: that it belongs to. which: of its pictures. seed: of its noise.
        states: of its sampler, begun, over a network that is ``Halting``.
        shown: after which steps its posterior mean is to be shown.
        unit: what one of its evaluations costs, counted in those of the model's own size.
        weight: room it takes while it runs. cost: of all its evaluations, about.
        since: when it began to wait, by ``time.perf_counter``.
        evaluation: what it asks for now. evaluations, waited, computed: as of ``Spent``.
        crew: the thread that moves it, which a greenlet cannot leave; None until one has begun.
    """

    call: Call
    which: int
    seed: int
    states: Iterator[State]
    shown: Container[int]
    unit: float
    weight: float
    cost: float
    since: float
    evaluation: Evaluation | None = None
    evaluations: int = 0
    waited: float = 0.0
    computed: float = 0.0
    running: greenlet | None = None
    crew: object = None

    @property
    def done(self) -> bool:
        """Whether it is finished, or has failed."""
        return self.running is not None and self.running.dead

    def advance(self) -> None:
        """Go on with what was answered, to the next question or to the end."""
        started = time.perf_counter()
        if self.running is None:
            self.running = greenlet(self._run)
        if self.evaluation is not None:
            self.evaluations += len(self.evaluation.z)
            self.computed += self.evaluation.seconds
        self.evaluation = self.running.switch()
        self.computed += time.perf_counter() - started

    def give_up(self) -> None:
        """Leave the sampler where it is halted, for good."""
        if self.running is not None and not self.running.dead:
            self.running.throw(GreenletExit)

    def _run(self) -> None:
        tell, state = self.call.messages.put, None
        try:
            for state in self.states:
                seen = (
                    first_tensor(state.mean) if state.mean is not None and state.step in self.shown else None
                )
                tell(Moved(self.which, state.step, seen))
            tell(Finished(self, self._whole(state)))
        except Exception as error:  # of this picture alone: the others go on
            tell(Failed(error))

    def _whole(self, state: State | None) -> Tensor:
        assert state is not None
        x = first_tensor(state.x)
        if not x.isfinite().all():
            raise OrnsteinError(
                f"the picture of seed {self.seed} came out as no numbers: ask for it in another way"
            )
        return x
