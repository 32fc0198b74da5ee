"""How many pictures does a machine make for many who ask at once?

    python -m benchmarks.engine [--model emoji] [--clients 16] [--seconds 20] [--rounds 5] [--json FILE]

Closed loop: every client asks for one picture, waits for it, and asks for the next; steps, prompts and guidance differ
from request to request, and are the same for all systems. Systems take turns, round by round, on the same warm model:

one at a time       ``Model.make`` behind a lock: the pictures of others wait
batches             whatever waits when the last batch is done is made by one ``Model.make``, at most eight at once; it
                    batches requests of the same steps and kind of guidance, as a server that knows no steps can
engine              ``serve.engine``: everybody's next evaluation in one network call
engine, one bucket  the same with ``deterministic=True``

A ratio is the median over rounds of the engine's pictures by those of the system in the same round, with quartiles.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
from rich.console import Console
from rich.table import Table

from ornstein.model import Model
from ornstein.request import Request, requests
from ornstein.serve.engine.engine import Engine

STEPS, GUIDANCE = (8, 10, 14, 20, 28), (3.0, 3.0, 3.0, 1.0)
THINGS = (
    "red apple",
    "an owl at night",
    "a blue car with a roof rack",
    "tree",
    "two cats and a hat",
    "old clock",
)

Make = Callable[[Request], object]


@dataclass
class Round:
    """What one system did in one round.

    Attributes:
        pictures: a second. latencies: seconds, of every picture.
    """

    pictures: float
    latencies: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    system: str
    pictures: float
    median: float
    p95: float
    ratio: float
    low: float
    high: float


def wanted(model: Model, seed: int) -> Request:
    """A request of the mix."""
    draw = random.Random(seed)
    settings = {"steps": draw.choice(STEPS), "guidance": draw.choice(GUIDANCE), "sampler": "dpmpp-2m"}
    prompt = draw.choice(getattr(model.encoder, "names", THINGS))
    return requests(prompt, 1, seed, "", model.recipe.sampling, **settings)[0]


class Batches:
    """A server that batches requests: one thread makes whatever waits."""

    def __init__(self, model: Model, most: int = 8) -> None:
        self.model, self.most = model, most
        self.waiting: SimpleQueue[tuple[Request, SimpleQueue[object]] | None] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def make(self, request: Request) -> object:
        answer: SimpleQueue[object] = SimpleQueue()
        self.waiting.put((request, answer))
        return answer.get()

    def _work(self) -> None:
        while (first := self.waiting.get()) is not None:
            batch = [first]
            while len(batch) < self.most:
                try:
                    batch.append(self.waiting.get_nowait())  # type: ignore[arg-type]
                except Empty:
                    break
            made = self.model.make([request for request, _ in batch])
            for (_, answer), output in zip(batch, made, strict=True):
                answer.put(output)


def closed_loop(model: Model, make: Make, clients: int, seconds: float, seed: int) -> Round:
    """Pictures that are finished within `seconds`, of clients that never pause."""
    end, latencies = time.perf_counter() + seconds, list[float]()

    def client(number: int) -> None:
        count = 0
        while time.perf_counter() < end:
            request = wanted(model, seed + 1000 * number + count)
            started = time.perf_counter()
            make(request)
            if time.perf_counter() < end:
                latencies.append(time.perf_counter() - started)
            count += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Round(len(latencies) / seconds, latencies)


def measure(model: Model, clients: int, seconds: float, rounds: int) -> list[Line]:
    """All systems in turns."""
    lock = threading.Lock()
    engine, fixed = Engine(model), Engine(model, deterministic=True)

    def one_at_a_time(request: Request) -> object:
        with lock:
            return model.make([request])

    systems: dict[str, Make] = {
        "one at a time": one_at_a_time,
        "batches": Batches(model).make,
        "engine": lambda request: engine.make([request]),
        "engine, one bucket": lambda request: fixed.make([request]),
    }
    for make in systems.values():
        closed_loop(model, make, clients, 1, 0)
    done: dict[str, list[Round]] = {name: [] for name in systems}
    for turn in range(rounds):
        for name, make in systems.items():
            done[name].append(closed_loop(model, make, clients, seconds, 10**6 * turn))
    return [_line(name, mine, done["engine"]) for name, mine in done.items()]


def _line(name: str, mine: Sequence[Round], engines: Sequence[Round]) -> Line:
    ratios = [best.pictures / max(other.pictures, 1e-9) for best, other in zip(engines, mine, strict=True)]
    low, ratio, high = (float(q) for q in np.quantile(ratios, (0.25, 0.5, 0.75)))
    latencies = [latency for one in mine for latency in one.latencies] or [float("nan")]
    median, p95 = (float(q) for q in np.quantile(latencies, (0.5, 0.95)))
    return Line(name, float(np.median([one.pictures for one in mine])), median, p95, ratio, low, high)


def table(lines: Sequence[Line], title: str) -> Table:
    made = Table(title=title)
    for column in ("system", "pictures / s", "median s", "p95 s", "engine is faster by"):
        made.add_column(column)
    for line in lines:
        ratio = f"{line.ratio:.2f} ({line.low:.2f} to {line.high:.2f})"
        made.add_row(line.system, f"{line.pictures:.2f}", f"{line.median:.2f}", f"{line.p95:.2f}", ratio)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    lines = measure(Model.load(args.model), args.clients, args.seconds, args.rounds)
    Console().print(table(lines, f"{args.clients} clients, {args.rounds} rounds of {args.seconds:.0f} s"))
    if args.json:
        args.json.write_text(json.dumps([asdict(line) for line in lines], indent=1))


if __name__ == "__main__":
    main()
