"""What does the guard cost? Guarded and bare generation take turns, in one warm process.

    python -m benchmarks.guard.cost [--model emoji] [--count 8] [--repeats 15] [--json FILE]

Both draw the same prompts and end with files on disk. Bare is ``Model.make`` and ``Output.save``; guarded is
``Guarded.make`` and ``Guarded.save`` under the shipped policy: prompts and pictures filtered, noise and pixels marked,
sources searched, the request on record, the file signed. The ratio is taken within each turn; quartiles over the turns
say how quiet the machine was. Then each part alone, in the order a picture meets them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ornstein.guard.guarded import Guarded
from ornstein.guard.policy import SHIPPED, Policy
from ornstein.model import Model
from ornstein.output import FileForm, Output
from ornstein.request import Request, requests

WANTED = 1.25
PROMPTS = (
    "red apple, 3D style", "pizza, flat style", "rocket, Noto style", "blue heart", "castle, Twemoji style",
    "a green car", "sunflower, Noto style", "octopus, FxEmoji style",
)  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    """Of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bare(model: Model, asked: Sequence[Request], folder: Path) -> None:
    """Pictures drawn and written, nothing else."""
    for k, output in enumerate(model.make(asked)):
        output.save(folder / f"{k}.png", force=True)


def guarded(guard: Guarded, asked: Sequence[Request], folder: Path) -> None:
    """The same through the policy."""
    for k, answer in enumerate(guard.make(asked)):
        assert answer.output is not None, answer.told
        guard.save(answer, folder / f"{k}.png", force=True)


def parts(
    guard: Guarded, asked: Sequence[Request], outputs: Sequence[Output]
) -> dict[str, Callable[[], object]]:
    """Each part's work for the whole batch."""
    batch = np.stack([output.array for output in outputs])
    sources = guard.outputs.sources
    work: dict[str, Callable[[], object]] = {
        "prompts": lambda: guard.prompts.check(asked),
        "pictures": lambda: guard.outputs.filter.check(batch),
        "mark, encode, sign": lambda: [guard.publisher.file(output, FileForm()) for output in outputs],
        "encode alone": lambda: [output.encode(FileForm()) for output in outputs],
    }
    return work | ({"sources": lambda: sources.check(batch)} if sources else {})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = Model.load(options.model)
    guard = Guarded(model, Policy.read(SHIPPED))
    prompts = [PROMPTS[k % len(PROMPTS)] for k in range(options.count)]
    asked = requests(prompts, 1, list(range(options.count)), "", model.recipe.sampling)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        both = (lambda: bare(model, asked, folder), lambda: guarded(guard, asked, folder))
        for work in both:
            work()
        turns = np.array([[seconds(work) for work in both] for _ in range(options.repeats)])
        outputs = [answer.output for answer in guard.make(asked) if answer.output is not None]
        alone = {
            name: min(seconds(work) for _ in range(5)) for name, work in parts(guard, asked, outputs).items()
        }
    low, ratio, high = np.quantile(turns[:, 1] / turns[:, 0], (0.25, 0.5, 0.75))
    plain, whole = np.median(turns, axis=0) / options.count
    print(f"bare {1000 * plain:.1f} ms a picture, guarded {1000 * whole:.1f}, {options.count} at once")
    print(f"ratio {ratio:.3f} ({low:.3f} to {high:.3f}); wanted {WANTED} at most")
    for name, took in alone.items():
        print(f"  {name:<18}{1000 * took / options.count:7.2f} ms a picture")
    if options.json:
        facts = {"bare": plain, "guarded": whole, "ratio": ratio, "low": low, "high": high, "parts": alone}
        options.json.write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
