"""The engine's threads: who runs, one network call for all of them, and again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from ornstein.denoise.bucketed import Bucketed
from ornstein.denoise.precondition import Network
from ornstein.errors import OrnsteinError
from ornstein.output import one_line
from ornstein.serve.engine.gather import Tick, answer
from ornstein.serve.engine.picture import Call, Failed, Picture
from ornstein.serve.engine.queue import FairQueue

FADING = 0.95
"""Of what is known of the speed, at each round."""

CLOSED = "the engine is closed"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Load:
    """How busy an engine is.

    Attributes:
        waiting, running: pictures. ahead: seconds until all of them are done, about.
        rows: of the network, that those running may ask for together.
        evaluations_per_second: lately, of pictures of the model's own size; 0 before the first.
        failure: why it does not work any more; None while it does.
    """

    waiting: int
    running: int
    ahead: float
    rows: int
    evaluations_per_second: float
    failure: str | None = None


@dataclass(eq=False)
class Crew:
    """One thread of a worker, and the pictures that it runs.

    Attributes:
        rows: that these may ask for together. threads: that share its products now.
    """

    rows: float
    threads: int = 0
    running: list[Picture] = field(default_factory=list)

    @property
    def taken(self) -> float:
        """Rows that are not free."""
        return sum(picture.weight for picture in self.running)


class Worker:
    """Runs pictures together, in threads of its own: crews, each with pictures and cores of its own.

    Their products are shared by as many threads as those of the thread that made it, whatever others do with theirs.
    Two crews of a core each make more than one of two cores: one computes while the other thinks about its next steps,
    and while something else wants a core no half of a product has to wait for its other half.

    Args:
        network: that it calls.
        rows: that all pictures running ask for together. crews: that share them evenly.
        fixed: whether a crew has the same cores always; else it has all of them while no other has anything to do.
        buckets: rows that a call may have, rising, where it may have so many at most.
        share: of an owner.
        watch: told after every network call.
    """

    def __init__(
        self,
        network: Network,
        rows: int,
        crews: int,
        fixed: bool,
        buckets: Callable[[int], Sequence[int]],
        share: Callable[[str], float],
        watch: Callable[[Tick], None],
    ) -> None:
        self.rows, self._fixed = rows, fixed
        self._network, self._buckets, self._watch = network, buckets, watch
        self._changed = threading.Condition()  # guards all that follows
        self._queue = FairQueue[Picture](share)
        self._crews = [Crew(rows / crews) for _ in range(crews)]
        self._calls: set[Call] = set()
        self._closing = False
        self._failure: str | None = None
        self._worked, self._seconds = 0.0, 0.0
        self._cores = torch.get_num_threads()
        self.threads = max(1, self._cores // crews)
        self._threads = [
            threading.Thread(target=self._work, args=(crew,), name="ornstein-engine", daemon=True)
            for crew in self._crews
        ]
        for thread in self._threads:
            thread.start()

    def open(self, owner: str, pictures: int, work: float) -> Call:
        """A call of an owner, for so many pictures of so much work. Raises OrnsteinError where there is no engine."""
        with self._changed:
            if self._closing or self._failure is not None:
                raise OrnsteinError(self._failure or CLOSED)
            call = Call(self._queue.open(owner, pictures, work))
            self._calls.add(call)
            return call

    def add(self, picture: Picture) -> None:
        """Put a picture in line."""
        with self._changed:
            self._queue.add(picture.call.lane, picture)
            self._changed.notify_all()

    def close(self, call: Call) -> None:
        """A call is over: what was not made of it will not be."""
        with self._changed:
            call.wanted = False
            self._calls.discard(call)
            self._queue.close(call.lane)
            self._changed.notify_all()

    def end(self, grace: float) -> None:
        """Finish the calls that are open, those that can be within `grace` seconds, and fail the others."""
        with self._changed:
            self._closing = True
            self._changed.wait_for(lambda: not self._calls or self._failure is not None, grace)
        self._fail(CLOSED)
        for thread in self._threads:
            thread.join()

    @property
    def load(self) -> Load:
        """How busy it is."""
        with self._changed:
            running, speed = sum(len(crew.running) for crew in self._crews), self._speed
            ahead = self._queue.work / speed if speed else 0.0
            waiting = max(self._queue.pictures - running, 0)
            return Load(waiting, running, ahead, self.rows, speed, self._failure)

    def ahead(self, work: float, owner: str) -> float:
        """Seconds that go by for others before a new call that needs `work` is finished, about."""
        with self._changed:
            return self._queue.ahead(work, owner) / self._speed if self._speed else 0.0

    @property
    def _speed(self) -> float:
        return self._worked / self._seconds if self._seconds else 0.0

    def _work(self, crew: Crew) -> None:
        reason = CLOSED
        torch.get_num_threads()  # a thread's first question resets its own number to the process's
        try:
            with torch.inference_mode():
                while self._turn(crew):
                    self._tick(crew)
        except Exception as error:  # nobody may wait for a thread that is no more
            reason = f"the engine broke down: {one_line(error)}"
            logger.exception(reason)
        finally:
            self._fail(reason)
            for picture in crew.running:
                picture.give_up()

    def _fail(self, reason: str) -> None:
        with self._changed:
            self._failure = self._failure or reason
            for call in self._calls:
                call.messages.put(Failed(OrnsteinError(self._failure)))
            self._changed.notify_all()

    def _turn(self, crew: Crew) -> bool:
        """Let those who are done leave, and those whose turn it is come in; False at the end."""
        with self._changed:
            while self._failure is None:
                self._settle(crew)
                if crew.running:
                    self._share(crew)
                    return True
                self._changed.wait()
            return False

    def _settle(self, crew: Crew) -> None:
        staying: list[Picture] = []
        for picture in crew.running:
            if picture.done or not picture.call.wanted:
                picture.give_up()
                self._queue.leave(picture)
            elif self._queue.over(picture) and self._queue.waiting:
                picture.since = time.perf_counter()
                self._queue.put_back(picture)
            else:
                staying.append(picture)
        crew.running = staying
        while (picture := self._next(crew)) is not None:
            picture.waited += time.perf_counter() - picture.since
            picture.crew = crew
            crew.running.append(picture)
        if self._queue.waiting and len(self._crews) > 1:
            self._changed.notify_all()  # what this crew left may be for one that sleeps

    def _next(self, crew: Crew) -> Picture | None:
        """Whose turn it is, if this crew has room: one that it began, or a new one if no other crew has less to do."""
        least = all(crew.taken <= other.taken for other in self._crews)

        def may(picture: Picture) -> bool:
            return least if picture.crew is None else picture.crew is crew

        return self._queue.take(crew.rows - crew.taken, may)

    def _share(self, crew: Crew) -> None:
        """Give a crew its cores."""
        alone = not any(other.running for other in self._crews if other is not crew)
        threads = self._cores if alone and not self._fixed else self.threads
        if threads != crew.threads:
            torch.set_num_threads(threads)  # of this thread, and of those that never asked
            crew.threads = threads

    def _tick(self, crew: Crew) -> None:
        """One evaluation of every picture that a crew runs."""
        started = time.perf_counter()
        for picture in crew.running:
            if picture.running is None:
                picture.advance()
        asking = [(picture, picture.evaluation) for picture in crew.running if picture.evaluation]
        part = crew.threads / max(crew.threads, self._cores)
        answer([evaluation for _, evaluation in asking], self._bucketed, self._watch, part)
        for picture, _ in asking:
            picture.advance()
        with self._changed:
            work = 0.0
            for picture, evaluation in asking:
                done = len(evaluation.z) * picture.unit
                self._queue.spend(picture, done)
                work += done
            self._worked = FADING * self._worked + work
            self._seconds = FADING * self._seconds + part * (time.perf_counter() - started)

    def _bucketed(self, most: int) -> Bucketed:
        return Bucketed(self._network, self._buckets(most))
