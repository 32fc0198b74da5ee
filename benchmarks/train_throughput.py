"""How much of the machine does a training step use?

    python benchmarks/train_throughput.py --recipe emoji --size 64 --batch 128

In one run, in turns: the machine's bfloat16 product of two 2048 x 2048 matrices, and real training steps (draw,
decode, forward, backward, clipping, optimisers, running averages) counted as 6 x parameters x tokens. The ratio of the
two is the figure. Run it on an idle machine; the spread says whether it was one.
"""

from __future__ import annotations

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as `ornstein train` does; read when torch is imported

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ornstein.data import pixels
from ornstein.data.manifest import Row
from ornstein.data.pack import HEADER, Pack
from ornstein.data.write import write_pack
from ornstein.errors import OrnsteinError
from ornstein.recipes import find_recipe
from ornstein.recipes.recipe import Recipe, Stage
from ornstein.train.loop import Trainer
from ornstein.train.pictures import PictureTask, flops_per_sample, resolve

SIDE, PRODUCTS = 2048, 4  # products between two steps
WARM_UP = 3  # steps that compile and fill caches


class Rate:
    """The machine's own rate, GFLOP/s, measured whenever asked."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self._a, self._b = (torch.randn(SIDE, SIDE, generator=generator).bfloat16() for _ in range(2))
        self.seen: list[float] = []

    def __call__(self) -> float:
        """Measure; the median of a few products."""
        found: list[float] = []
        for _ in range(PRODUCTS):
            started = time.perf_counter()
            _ = self._a @ self._b
            found.append(2 * SIDE**3 / (time.perf_counter() - started) / 1e9)
        self.seen += found
        return float(np.median(found))


class Stopwatch:
    """Seconds spent in wrapped calls, by name."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = defaultdict(list)

    def around(self, owner: Any, method: str, name: str) -> None:
        """Time every call of a method of one object."""
        inner: Callable[..., Any] = getattr(owner, method)

        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            result = inner(*arguments, **named)
            self.spent[name].append(time.perf_counter() - started)
            return result

        setattr(owner, method, timed)


def made_up_pack(folder: Path, recipe: Recipe, size: int, count: int = 512) -> Path:
    """A pack of noise with captions of usual length, for machines without the real one."""
    random = np.random.default_rng(0)
    condition, channels = recipe.condition, recipe.codec.channels
    items: list[tuple[Row, bytes]] = []
    for k in range(count):
        picture = random.integers(0, 256, (size, size, channels), np.uint8)
        data = pixels.encode(pixels.premultiply(picture) if channels == 4 else picture)
        name = (
            condition.names[k % len(condition.names)] if condition.kind == "classes" else f"made-up thing {k}"
        )
        forms = (name,) * len(recipe.data.captions)
        row = Row(
            id=f"{k:04d}", sha256=hashlib.sha256(data).hexdigest(), licence="CC0-1.0", holder="nobody",
            source="drawn at random", split="train", concept=name, style="", variant=0, captions=forms,
        )  # fmt: skip
        items.append((row, data))
    return write_pack(folder, name="noise", size=size, channels=channels, items=items)


def trainer_of(name: str, size: int, batch: int, scratch: Path) -> Trainer:
    """The recipe's real trainer at one resolution, in a scratch run that borrows the caption cache of a real one."""
    recipe = find_recipe(name)
    assert isinstance(recipe, Recipe)
    pack = Path(recipe.data.pack)
    if not (pack / HEADER).is_file():
        print(f"no pack at {pack}: using pictures of noise", file=sys.stderr)
        pack = made_up_pack(scratch / "pack", recipe, size)
    training = recipe.training.model_copy(
        update={"stages": (Stage(size=size, batch=batch, share=1.0),), "samples": 10**9, "prompts": ()}
    )
    known, run = Path("runs") / name / "cache", scratch / "run"
    run.mkdir()
    if known.is_dir():
        (run / "cache").symlink_to(known.resolve())
    opened = Pack.open(pack)
    opened.decode()
    resolved: Recipe = resolve(recipe.model_copy(update={"training": training}), opened)

    def tell(done: int, of: int) -> None:
        if done == of:
            print(f"captions: {of:,}", file=sys.stderr)

    return Trainer(PictureTask(resolved, opened, run / "cache", caption_progress=tell), run)


def measure(trainer: Trainer, size: int, batch: int, seconds: float) -> dict[str, Any]:
    """Steps and products in turns for `seconds`, and what they say."""
    rate, watch, steps = Rate(), Stopwatch(), trainer.steps()
    rate()
    for _ in range(WARM_UP):
        next(steps)
    rate()
    before = len(rate.seen)
    watch.around(trainer.task, "batch", "data")
    watch.around(trainer, "_step", "forward, backward, clip")
    watch.around(trainer.optimiser, "step", "optimisers")
    for average in trainer.averages:
        watch.around(average, "update", "averages")
    each = flops_per_sample(trainer.model, size) * batch / 1e9
    spent: list[float] = []
    ratios: list[float] = []
    here, started = rate(), time.monotonic()
    while len(spent) < 3 or time.monotonic() - started < seconds:
        begun = time.perf_counter()
        next(steps)
        spent.append(time.perf_counter() - begun)
        there = rate()
        ratios.append(each / spent[-1] / ((here + there) / 2))
        here = there
    return summary(rate.seen, before, spent, ratios, each, batch, watch)


def summary(
    seen: list[float],
    before: int,
    spent: list[float],
    ratios: list[float],
    each: float,
    batch: int,
    watch: Stopwatch,
) -> dict[str, Any]:
    """The figures of a run: medians, with quartiles or bests where they tell more."""
    middle = float(np.median(spent))
    low, ratio, high = (float(q) for q in np.quantile(ratios, (0.25, 0.5, 0.75)))
    share = {name: sum(times) / sum(spent) for name, times in watch.spent.items()}
    return {
        "steps": len(spent),
        "samples_per_second": batch / middle,
        "step_gflops": each / middle,
        "step_gflops_best": each / min(spent),
        "matmul_gflops_before": float(np.median(seen[:before])),
        "matmul_gflops": float(np.median(seen[before:])),
        "matmul_gflops_best": max(seen),
        "ratio": ratio,
        "ratio_quartiles": [low, high],
        "ratio_of_bests": each / min(spent) / max(seen),
        "seconds_a_step": middle,
        "shares": {**share, "other": max(0.0, 1 - sum(share.values()))},
    }


def show(found: dict[str, Any]) -> None:
    """Print the figures."""
    low, high = found["ratio_quartiles"]
    print(f"matmul     {found['matmul_gflops']:.0f} GFLOP/s median between steps, {found['matmul_gflops_before']:.0f} "
          f"before, {found['matmul_gflops_best']:.0f} best ({SIDE} x {SIDE} x {SIDE}, bfloat16)")  # fmt: skip
    print(f"training   {found['step_gflops']:.0f} GFLOP/s median, {found['step_gflops_best']:.0f} best "
          f"(6 x parameters x tokens); {found['samples_per_second']:.1f} samples/s")  # fmt: skip
    print(f"ratio      {found['ratio']:.3f} median of {found['steps']} steps (quartiles {low:.3f} to {high:.3f}); "
          f"best step to best product {found['ratio_of_bests']:.3f}")  # fmt: skip
    parts = "  ".join(f"{name} {share:.1%}" for name, share in found["shares"].items())
    print(f"a step     {found['seconds_a_step']:.3f} s: {parts}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="emoji")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=60.0, help="of measuring, after compilation (60)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            trainer = trainer_of(arguments.recipe, arguments.size, arguments.batch, Path(scratch))
            found = measure(trainer, arguments.size, arguments.batch, arguments.seconds)
    except OrnsteinError as error:
        sys.exit(f"train_throughput: {error}")
    show(found)
    if arguments.json:
        settings = {"recipe": arguments.recipe, "size": arguments.size, "batch": arguments.batch}
        arguments.json.write_text(json.dumps({**settings, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
