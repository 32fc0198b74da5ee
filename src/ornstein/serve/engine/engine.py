"""The engine: pictures of many callers, made step by step together by one network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from threading import BoundedSemaphore, Lock

import numpy as np
import torch
from torch import Tensor

from ornstein.control.source import Source
from ornstein.drawing import Imprint, Previews, Spent
from ornstein.errors import UsageError
from ornstein.model import Model
from ornstein.output import Output
from ornstein.prompts import parts_of
from ornstein.record import MAX_BUCKET, sharing
from ornstein.request import Progress, Request
from ornstein.sample.loop import State
from ornstein.sample.registry import evaluations
from ornstein.serve.engine.caller import Attendant
from ornstein.serve.engine.gather import Tick
from ornstein.serve.engine.picture import Asked, Call, Halting, Picture
from ornstein.serve.engine.queue import OverloadedError
from ornstein.serve.engine.worker import Load, Worker

BUCKETS = {"cpu": tuple(range(1, 17)), "cuda": (1, 2, 4, 8, 16, 32, 64, 128)}
"""Rows of a network call. A processor gains nothing from fewer shapes than these, and pays for every row that fills a
bucket up (``docs/engine.md`` has the times)."""

CREWS, FEWEST = 2, 8
"""Threads that call the network on a processor; rows that each of them must have, or there is but one."""

DECODING = 2
"""Pictures decoded at once, of all callers; codecs that are networks take memory."""


class Engine:
    """Makes pictures for many threads at once, each as if it were alone.

    Args:
        model: what makes them.
        rows: of the network, that the pictures running ask for together; as a guided batch of the model for each of
            the threads that call it, if None.
        deterministic: every call has that many rows, so that no bit of a picture depends on the company it has.
        waiting: pictures that may stand in line before ``admit`` refuses.
        objective: seconds of work that may lie ahead of a call that is admitted.
        share: of the machine, that an owner has relative to others.
        watch: told after every network call, in the engine's own thread: it must be quick.

    Raises:
        UsageError: a number of rows out of range.
    """

    def __init__(
        self,
        model: Model,
        *,
        rows: int | None = None,
        deterministic: bool = False,
        waiting: int = 256,
        objective: float = 30.0,
        share: Callable[[str], float] = lambda owner: 1.0,
        watch: Callable[[Tick], None] = lambda tick: None,
    ) -> None:
        self.model, self.deterministic = model, deterministic
        if rows is not None and not 1 <= rows <= MAX_BUCKET:
            raise UsageError(f"rows must be 1 to {MAX_BUCKET}, not {rows}")
        self._crews = self._shared(rows)
        self.rows = rows or self._crews * 2 * model.rows(model.recipe.sampling.size)[0]
        self._waiting, self._objective = waiting, objective
        self._encoding, self._decoding = Lock(), BoundedSemaphore(DECODING)
        with self._encoding, torch.inference_mode():
            network = model.denoiser().network
        self._worker = Worker(network, self.rows, self._crews, deterministic, self._buckets, share, watch)

    def make(
        self,
        asked: Sequence[Request],
        *,
        sources: Sequence[Source | None] = (),
        imprint: Imprint | None = None,
        progress: Progress = lambda done, of: None,
        previews: Previews | None = None,
        owner: str = "",
    ) -> list[Output]:
        """As ``Model.make``, of any number of threads at once; blocks until all of them are made.

        Args:
            asked: as there, as everything else but the owner.
            sources: what each is made from.
            imprint: changes the noise.
            progress: called in the caller's own thread.
            previews: likewise.
            owner: who is to get a fair share of the machine: an API key.

        Raises:
            UsageError: what this model cannot do, before anything runs. OrnsteinError: a picture failed, or the engine
                is closed.
        """
        # prompts and pictures are coded here, by as many threads as the network's: rounding follows their number
        with sharing(self._worker.threads):
            return self._made(asked, list(sources) or [None] * len(asked), imprint, progress, previews, owner)

    def _made(
        self,
        asked: Sequence[Request],
        given: Sequence[Source | None],
        imprint: Imprint | None,
        progress: Progress,
        previews: Previews | None,
        owner: str,
    ) -> list[Output]:
        with self._encoding:
            self.model.check(asked, given)
        pictures = [Asked(request, source) for request, source in zip(asked, given, strict=True)]
        call = self._worker.open(owner, len(pictures), sum(self._cost(picture) for picture in pictures))
        since = time.perf_counter()

        def hand_in(which: int) -> None:
            self._worker.add(self._begun(call, which, pictures[which], imprint, previews, since))

        attendant = Attendant(call, pictures, hand_in, 2 * self.rows, self._decode, progress, previews)
        try:
            made = {which: (array, spent) for which, array, spent in attendant.attend()}
        finally:
            self._worker.close(call)
        return [self._output(picture, *made[which]) for which, picture in enumerate(pictures)]

    def admit(self, pictures: int, evaluations: int = 0, owner: str = "") -> None:
        """Refuse at once what could not be done in time; costs microseconds.

        Args:
            pictures: that a call would ask for.
            evaluations: of the network that it would need, counted in those of the model's own size; 0 for what as
                many pictures need that are asked for plainly.
            owner: as of ``make``.

        Raises:
            OverloadedError: too many wait, or it would have to wait for too long.
        """
        load, work = self._worker.load, evaluations or pictures * self._usual
        if load.failure is not None:
            raise OverloadedError(load.failure, self._objective)
        ahead = self._worker.ahead(work, owner)
        if ahead > self._objective:
            late = max(ahead - self._objective, 1.0)
            raise OverloadedError(
                f"too busy: {ahead:.0f} s of work lie ahead; ask again in {late:.0f} s", late
            )
        if load.waiting >= self._waiting:
            late = max(load.ahead * (load.waiting + pictures - self._waiting) / load.waiting, 1.0)
            raise OverloadedError(
                f"too busy: {load.waiting} pictures wait already; ask again in {late:.0f} s", late
            )

    @property
    def load(self) -> Load:
        """How busy it is."""
        return self._worker.load

    def close(self, grace: float = 0) -> None:
        """Make nothing new; what is under way and not finished within `grace` seconds fails."""
        self._worker.end(grace)

    def _begun(
        self,
        call: Call,
        which: int,
        asked: Asked,
        imprint: Imprint | None,
        previews: Previews | None,
        since: float,
    ) -> Picture:
        """A picture whose prompt is encoded and whose noise is drawn, ready for its first step."""
        states = self._states(asked, imprint)
        with self._encoding, torch.inference_mode():
            next(states)
        shown, unit = previews.after(asked.steps) if previews else (), self._unit(asked.request)
        weight = min(_rows(asked.request) * unit, max(self.rows / max(2, self._crews), 1))
        return Picture(call, which, asked.request.seed, states, shown, unit, weight, self._cost(asked), since)

    def _states(self, asked: Asked, imprint: Imprint | None) -> Iterator[State]:
        """Of the sampler, which halts at each evaluation; a network that remembers is called for one picture alone."""
        request = asked.request
        most, alone = self._most(request.size), request.reuse > 1
        return self.model.trajectory(
            [request.asks], [request.seed], steps=[request.steps], guidance=[request.guidance],
            sampler=request.sampler, negatives=[request.negative], size=request.size, rule=request.rule,
            schedule=request.schedule, reuse=request.reuse, imprint=imprint, sources=[asked.source],
            between=lambda network: Halting(most, network if alone else None),
        )  # fmt: skip

    @torch.inference_mode()
    def _decode(self, x: Tensor) -> np.ndarray:
        with self._decoding:
            return self.model.decode(x, self.model.dtype)[0]

    def _output(self, asked: Asked, array: np.ndarray, spent: Spent) -> Output:
        """With its record; how rows are rounded depends on the bucket, where there is but one."""
        request = asked.request
        fixed = self.deterministic and request.reuse == 1
        bucket = self._most(request.size) if fixed else None
        return Output(
            array,
            self.model.record([request], 0, asked.source, bucket=bucket, threads=self._worker.threads),
            spent,
        )

    def _most(self, size: int) -> int:
        """Rows that a call for pictures of `size` may have."""
        return min(self.rows // self._crews, 2 * self.model.rows(size)[0])

    def _buckets(self, most: int) -> Sequence[int]:
        """Of calls of so many rows at most."""
        if self.deterministic:
            return (most,)
        return (*(size for size in BUCKETS[self.model.device.type] if size < most), most)

    def _shared(self, rows: int | None) -> int:
        """Threads that call the network: a GPU's kernels stand in one queue anyway."""
        if self.model.device.type != "cpu":
            return 1
        most = CREWS if rows is None else min(CREWS, rows // FEWEST)
        return max(1, min(most, torch.get_num_threads()))

    def _cost(self, asked: Asked) -> float:
        """Evaluations of a picture, at most, counted in those of the model's own size."""
        request = asked.request
        return _rows(request) * self._unit(request) * asked.steps * evaluations(request.sampler)

    def _unit(self, request: Request) -> float:
        """What an evaluation costs, by the area of the picture."""
        return (request.size / self.model.recipe.sampling.size) ** 2

    @property
    def _usual(self) -> float:
        """The cost of a picture that is asked for without further wishes."""
        usual = self.model.recipe.sampling
        return usual.steps * evaluations(usual.sampler) * (1 if usual.guidance == 1 else 2)


def _rows(request: Request) -> int:
    """Rows that are asked for at once: one for each part of the prompt, and one to weigh them against."""
    weights = [part.weight for part in parts_of(request.asks)]
    return len(weights) + (request.guidance != 1 or weights != [1])
