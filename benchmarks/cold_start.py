"""How long a user waits: ``ornstein --help``, one picture from a cold start, pictures in a process that runs already.

    python benchmarks/cold_start.py [--model NAME|FOLDER] [--runs 5] [--json FILE]

Every figure is a median. A cold start is a new process each time, from the command to the file on disk; files that an
earlier run read are in the page cache, as they are for a user's second picture.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ornstein import Model

PROMPTS = (
    "red apple, 3D style",
    "dog face, flat style",
    "rocket, Noto style",
    "blue heart",
    "castle, Twemoji style",
)
WANTED = {"help_seconds": 0.2, "cold_seconds": 5.0, "cold_megabytes": 1200.0, "warm_seconds": 0.5}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    figures = measure(arguments.model, arguments.runs)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    for name, value in figures.items():
        wanted = f"  (wanted: under {WANTED[name]:g})" if name in WANTED else ""
        print(f"{name:<24} {value:8.3f}{wanted}")


def measure(model: str, runs: int) -> dict[str, float]:
    """All figures, seconds and megabytes."""
    program = shutil.which("ornstein") or str(Path(sys.executable).with_name("ornstein"))
    helps = [_run([program, "--help"])[0] for _ in range(runs)]
    with tempfile.TemporaryDirectory() as folder:
        colds = [
            _run([program, "generate", PROMPTS[0], "--model", model, "--out", f"{folder}/{k}.png"])
            for k in range(runs)
        ]
    return {
        "help_seconds": statistics.median(helps),
        "cold_seconds": statistics.median(seconds for seconds, _ in colds),
        "cold_megabytes": statistics.median(megabytes for _, megabytes in colds),
        **_warm(model, runs),
    }


def _run(command: list[str]) -> tuple[float, float]:
    """Seconds and peak megabytes of one command, which must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)  # the object learns what wait4 took from it
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    return seconds, usage.ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)


def _warm(name: str, runs: int) -> dict[str, float]:
    """Seconds a picture, file written, in this process: one at a time with new prompts, then four at once."""
    import ornstein

    model = ornstein.load(name)
    model.generate("warm up", seeds=0)
    with tempfile.TemporaryDirectory() as folder:
        single = [_seconds(lambda k=k: _write(model, [PROMPTS[k % 5]], k, folder)) for k in range(runs)]
        model.generate(PROMPTS[:4], seeds=0)
        four = [
            _seconds(lambda k=k: _write(model, list(PROMPTS[:4]), 100 + k, folder)) / 4 for k in range(runs)
        ]
    return {"warm_seconds": statistics.median(single), "warm_seconds_of_four": statistics.median(four)}


def _write(model: Model, prompts: list[str], seed: int, folder: str) -> None:
    for k, out in enumerate(model.generate(prompts, seeds=seed)):
        out.save(f"{folder}/{seed}-{k}.png")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
