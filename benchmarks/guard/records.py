"""What a record costs: appending to a log that grows, verifying it, erasing from it.

    python -m benchmarks.guard.records [--entries 20000]

Every append waits for the disk, so most of it is the disk's time; `fsync` beside it is that of one small write.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ornstein.guard.policy import Records
from ornstein.guard.records import Event, RecordLog, Settings, verify

ROUNDS = 30
SETTINGS = Settings(sampler="dpmpp-2m", steps=20, guidance=3.0, size=64, model="ab" * 32)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entries", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = RecordLog.open(Path(folder) / "log", Records(days=None))
        print(
            f"fsync                       {1e3 * _median(lambda k: _synced(Path(folder) / 'probe')):8.1f} ms"
        )
        print(f"append to an empty log      {1e3 * _median(lambda k: log.append(request(k))):8.1f} ms")
        for start in range(0, arguments.entries, 1000):
            log.extend([request(start + k) for k in range(1000)])
        count = log.tip()[0]
        print(f"append after {count:>6,}         {1e3 * _median(lambda k: log.append(request(k))):8.1f} ms")
        print(f"eight at once               {1e3 * _median(lambda k: log.extend([request(k)] * 8)):8.1f} ms")
        count = log.tip()[0]
        seconds = _seconds(lambda: verify(log.folder))
        print(f"verify {count:>6,} entries       {seconds:8.2f} s, {1e6 * seconds / count:.0f} us an entry")
        print(f"erase one request           {_seconds(lambda: log.erase('asked', request='r500')):8.2f} s")
        print(f"bytes an entry              {_bytes(log.folder) / count:8.0f}")
        assert verify(log.folder) == []


def request(number: int) -> Event:
    """A request as a guard tells it."""
    return Event(kind="request", request=f"r{number}", prompt="red apple", seed=number, settings=SETTINGS)


def _synced(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x" * 700)
        file.flush()
        os.fsync(file.fileno())


def _median(work: Callable[[int], object]) -> float:
    return statistics.median(_seconds(lambda k=k: work(k)) for k in range(ROUNDS))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.jsonl"))


if __name__ == "__main__":
    main()
