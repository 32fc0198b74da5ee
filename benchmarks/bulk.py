"""What bulk work costs beside drawing: ``python -m benchmarks.bulk [--rows N]``.

On a small network with random weights, so that what is not drawing shows: rows read and spelled out a second, pictures
a second through a folder beside the same pictures from ``Guarded.make`` and ``files`` in memory, and the memory of a
process that sifts few and many rows that are all refused.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.small import random_model, text_recipe

from ornstein.guard.guarded import Guarded
from ornstein.model import Model
from ornstein.record import FileForm
from ornstein.request import requests
from ornstein.serve.bulk.order import Order, Prompts
from ornstein.serve.bulk.run import run

ROUNDS = 3


def write(path: Path, rows: int, prompt: str) -> Path:
    path.write_text("prompt\n" + "".join(f"{prompt} number {k}\n" for k in range(rows)))
    return path


def refused(bundle: str, rows: int, folder: str) -> None:
    """In a process of its own: prints its peak memory."""
    run(
        Guarded(Model.load(bundle)),
        write(Path(folder, "r.csv"), rows, "a naked woman"),
        Path(folder, "out"),
        Order(),
    )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def peak(bundle: Path, rows: int, folder: Path) -> tuple[int, float]:
    started = time.perf_counter()
    folder.mkdir()
    code = f"from benchmarks.bulk import refused; refused({str(bundle)!r}, {rows}, {str(folder)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout), time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=512)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = random_model(text_recipe()).save(folder / "small")
        guard = Guarded(Model.load(bundle))
        path = write(folder / "a.csv", rows, "a red apple")

        started = time.perf_counter()
        Prompts(path, Order(), guard.model).survey()
        survey = rows / (time.perf_counter() - started)
        print(f"read, spelled out and checked before anything is drawn: {survey:,.0f} rows/s")

        asked = requests(
            [f"a red apple number {k}" for k in range(rows)], 1, 0, "", guard.model.recipe.sampling
        )
        guard.make(asked[:8])  # what is loaded at first use
        for turn in range(ROUNDS):  # in turn, for other work on the machine comes and goes
            started = time.perf_counter()
            for k in range(0, rows, 8):
                guard.files(guard.make(asked[k : k + 8]), FileForm())
            memory = rows / (time.perf_counter() - started)
            started = time.perf_counter()
            run(guard, path, folder / f"out{turn}", Order())
            bulk = rows / (time.perf_counter() - started)
            print(
                f"pictures of 32 px: {memory:.1f}/s in memory, {bulk:.1f}/s into a folder ({bulk / memory:.2f}x)"
            )

        for many in (2_000, 20_000):
            most, seconds = peak(bundle, many, folder / str(many))
            print(f"{many:,} refused rows: peak {most} MiB, {many / seconds:,.0f} rows/s with the start")


if __name__ == "__main__":
    main()
