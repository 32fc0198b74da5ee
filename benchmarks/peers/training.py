"""Time to quality on Fashion-MNIST: Ornstein, denoising-diffusion-pytorch and diffusers' training example.

    python benchmarks/peers/training.py [--minutes 5 10 20] [--count 2000] [--only NAME ...] [--out FOLDER]

Every contestant trains in a process of its own, one after another, for the same seconds; the clock stops while pictures
are drawn. A contestant that has finished is not run again. At each checkpoint: the Fréchet distance of its pictures to
training pictures, in the same features for all, beside that of as many unseen real pictures.
"""

from __future__ import annotations

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as `ornstein train` does, here for everyone

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from contest import Contestant, snapshots
from judge import Judge, judges

from ornstein.data.manifest import TRAIN
from ornstein.data.pack import Pack
from ornstein.errors import MissingExtraError, OrnsteinError
from ornstein.output import encode, file_form, grid, write

SHOWN = 64  # pictures of a sample sheet
FEATURES = ("classifier", "effnet-lite0")
Make = Callable[[argparse.Namespace], Contestant]


def _ours(unconditional: bool, *settings: str) -> Make:
    return lambda a: importlib.import_module("ours").Ornstein(
        Pack.open(a.pack), a.out / "scratch", unconditional, settings
    )


def _peer(module: str, kind: str, settings: str) -> Make:
    def make(arguments: argparse.Namespace) -> Contestant:
        try:
            adapter = importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"{module}.py", "peers") from error
        pack = Pack.open(arguments.pack)
        pictures = pack.pictures(pack.indices(TRAIN))
        return getattr(adapter, kind)(pictures, getattr(adapter, settings), 60 * arguments.sampling_minutes)

    return make


CONTESTANTS: dict[str, Make] = {
    "ornstein": _ours(unconditional=True),
    "ornstein-unet": _ours(True, "network.kind=unet"),
    "ornstein-classes": _ours(unconditional=False),
    "ddp-documented": _peer("ddp", "DenoisingDiffusion", "DOCUMENTED"),
    "ddp-tuned": _peer("ddp", "DenoisingDiffusion", "TUNED"),
    "diffusers-documented": _peer("unconditional", "Unconditional", "DOCUMENTED"),
    "diffusers-tuned": _peer("unconditional", "Unconditional", "TUNED"),
}


def train(name: str, arguments: argparse.Namespace) -> None:
    """Run one contestant in this process; its pictures, and last its facts, go to the output folder."""
    contestant = CONTESTANTS[name](arguments)
    points: list[dict[str, Any]] = []
    for snapshot in snapshots(contestant.step, arguments.minutes):
        pictures, sampler = contestant.sample(arguments.count, seed=0)
        file = _pictures_file(arguments.out, name, snapshot.minutes)
        np.save(file, pictures)
        points.append({**asdict(snapshot), "sampler": sampler})
        print(f"{name}: {snapshot.minutes:g} min, {snapshot.steps} steps, {sampler}", flush=True)
    facts = {
        "rules": rules(arguments),
        "settings": contestant.settings,
        "points": points,
    }
    (arguments.out / f"{name}.json").write_text(json.dumps(facts, indent=1, default=str) + "\n")


def rules(arguments: argparse.Namespace) -> dict[str, Any]:
    """What must agree for finished contestants to compare."""
    return {
        "minutes": sorted(arguments.minutes), "count": arguments.count,
        "sampling_minutes": arguments.sampling_minutes,
    }  # fmt: skip


def finished(name: str, arguments: argparse.Namespace) -> bool:
    """Whether a contestant has run by these rules."""
    file = arguments.out / f"{name}.json"
    return file.is_file() and json.loads(file.read_text())["rules"] == rules(arguments)


def judged(names: list[str], found: list[Judge], arguments: argparse.Namespace) -> dict[str, Any]:
    """Distances of all finished contestants, and the floors."""
    results: dict[str, Any] = {"rules": rules(arguments), "floor": {j.name: j.floor for j in found}}
    for name in names:
        facts = json.loads((arguments.out / f"{name}.json").read_text())
        for point in facts["points"]:
            pictures = np.load(_pictures_file(arguments.out, name, point["minutes"]))
            point["fd"] = {judge.name: judge.distance(pictures) for judge in found}
        results[name] = facts
    return results


def table(names: list[str], results: dict[str, Any]) -> str:
    """Distances by contestant, minutes and features, in Markdown."""
    floors = results["floor"]
    heads = [f"FD {feature} (real {floor:.3g})" for feature, floor in floors.items()]
    lines = [
        f"| contestant | minutes | steps | sampler | {' | '.join(heads)} |",
        "|---" * (4 + len(heads)) + "|",
    ]
    for name in names:
        for point in results[name]["points"]:
            cells = " | ".join(f"{point['fd'][feature]:.4g}" for feature in floors)
            lines.append(
                f"| {name} | {point['minutes']:g} | {point['steps']} | {point['sampler']} | {cells} |"
            )
    return "\n".join(lines) + "\n"


def show(name: str, arguments: argparse.Namespace) -> None:
    """Write a sheet of a contestant's last pictures."""
    pictures = np.load(_pictures_file(arguments.out, name, max(arguments.minutes)))
    file = arguments.out / f"{name}.png"
    sheet = grid(list(pictures[:SHOWN]))
    write(file, encode(sheet, file_form(file, None, sheet.shape[-1])), force=True)


def _pictures_file(out: Path, name: str, minutes: float) -> Path:
    return out / f"{name}-{minutes:g}.npy"


def run(arguments: argparse.Namespace) -> None:
    """Train who has not finished, judge everyone who was asked for."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = arguments.only or list(CONTESTANTS)
    if arguments.child:
        train(names[0], arguments)
        return
    pack = Pack.open(arguments.pack)
    pack.decode()
    found = judges(
        pack, arguments.count, arguments.out / "features", arguments.features
    )  # before hours of training
    for name in names:
        if finished(name, arguments):
            print(f"{name}: finished before", flush=True)
            continue
        outcome = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--child", "--only", name], check=False
        )
        if outcome.returncode:
            raise OrnsteinError(f"{name} did not finish (exit code {outcome.returncode})")
    results = judged(names, found, arguments)
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.out / "table.md").write_text(table(names, results))
    for name in names:
        show(name, arguments)
    print(table(names, results))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", nargs="+", type=float, default=[5.0, 10.0, 20.0], help="of training")
    parser.add_argument("--count", type=int, default=2000, help="pictures drawn at each checkpoint (2000)")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, help="these contestants")
    parser.add_argument("--pack", type=Path, default=Path("data/fashion-mnist"))
    parser.add_argument(
        "--sampling-minutes", type=float, default=10.0, help="that a peer's sampler may take; fewer steps if it would"
    )  # fmt: skip
    parser.add_argument("--features", nargs="+", default=list(FEATURES))
    parser.add_argument("--out", type=Path, default=Path("runs/peers/training"))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if min(arguments.minutes) <= 0:
        parser.error("--minutes must be positive")
    try:
        run(arguments)
    except OrnsteinError as error:
        sys.exit(f"training: {error}")


if __name__ == "__main__":
    main()
