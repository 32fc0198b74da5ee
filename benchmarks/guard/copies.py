"""Are copies caught, and honest pictures left alone? Planted copies, held-out pictures, and what the models make.

    python -m benchmarks.guard.copies --model emoji --pack data/emoji
    python -m benchmarks.guard.copies --model fashion --pack data/fashion-mnist

- **Caught**: training pictures, drawn by the seed, are altered in every way of ``planted.py`` and looked up.
- **Blocked**: honest held-out pictures that did not make the threshold. Apart: those that are the same as a trained
  one, its mirror image, or a version of it by the same holder.
- **Flagged**: pictures that the model makes of captions of its training data.

Shares have 95% Wilson intervals. Held-out pictures come in groups (skin tones of one thing), so that of the blocked is
narrower than it should be.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.guard.planted import KINDS, planted

from ornstein.bundle import SOURCES, Bundle
from ornstein.data.manifest import TRAIN
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.evaluate.estimate import Estimate, of_mean
from ornstein.guard.policy import Policy
from ornstein.guard.trace.calibrate import calibrating, honest
from ornstein.guard.trace.sources import Sources
from ornstein.model import Model
from ornstein.rng import stream
from ornstein.shelf import find

ALPHAS = (0.001, 0.002, 0.005, 0.01, 0.02)
Shares = dict[float, Estimate]


def shares(sources: Sources, pictures: np.ndarray) -> Shares:
    """Share of pictures held to be copies, at each alpha."""
    score, null = sources.index.look(pictures).score, sources.null
    return {alpha: of_mean((score < null.threshold(null.reachable(alpha))).numpy()) for alpha in ALPHAS}


def caught(sources: Sources, pictures: np.ndarray, seed: int) -> dict[str, Shares]:
    """For each kind of copy, the share that is caught; and of all kinds together."""
    found: dict[str, Shares] = {}
    for place, kind in enumerate(KINDS):
        found[kind] = shares(sources, planted(kind, pictures, stream("planted", seed, place)))
    return found


def blocked(sources: Sources, pack: Pack) -> dict[str, Shares]:
    """The share of held-out pictures that is held to be copies: of honest ones, and of those that are not."""
    rows = pack.rows()
    held, trained = np.flatnonzero(pack.splits != TRAIN), pack.indices(TRAIN)
    pictures, (apart, known) = (
        pack.pictures(held),
        ([rows[place] for place in part] for part in (held, trained)),
    )
    fair = honest(apart, pictures, known, pack.pictures(trained))
    test = held[fair][~calibrating([pack.ids[row] for row in held[fair]])]
    print(f"{len(held):,} held out, {fair.sum():,} honest, {len(test):,} of these test", file=sys.stderr)
    return {
        "held out, honest, to test": shares(sources, pack.pictures(test)),
        "held out, versions and doubles": shares(sources, pictures[~fair]),
    }


def flagged(sources: Sources, model: Model, pack: Pack, count: int, seed: int) -> Shares:
    """The share of pictures the model makes that is held to be copies."""
    rows = np.sort(stream("flagged", seed).permutation(pack.indices(TRAIN))[:count])
    made = model.generate([pack.captions(int(row))[0] for row in rows], [seed + int(row) for row in rows])
    return shares(sources, np.stack([out.array for out in made]))


def milliseconds(sources: Sources, pictures: np.ndarray, rounds: int = 30) -> float:
    """Median time of a check of eight pictures."""
    taken: list[float] = []
    for _ in range(rounds):
        started = time.perf_counter()
        sources.check(pictures[:8])
        taken.append(time.perf_counter() - started)
    return float(np.median(taken)) * 1000


def table(rows: dict[str, Shares]) -> None:
    """Print shares in percent."""
    print(f"{'':32s}" + "".join(f"{f'alpha {alpha:g}':>24s}" for alpha in ALPHAS))
    for name, found in rows.items():
        cells = (
            f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})" for one in found.values()
        )
        print(f"{name:32s}" + "".join(f"{cell:>24s}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--pack", type=Path, default=Path("data/emoji"))
    parser.add_argument(
        "--planted", type=int, default=500, help="training pictures to copy in every way (500)"
    )
    parser.add_argument("--generated", type=int, default=400, help="pictures to make (400)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    try:
        bundle, pack = Bundle.open(find(arguments.model)), Pack.open(arguments.pack)
        sources = Sources.open(bundle)
        rows = np.sort(stream("copies", arguments.seed).permutation(pack.indices(TRAIN))[: arguments.planted])
        pictures = pack.pictures(rows)
        found = caught(sources, pictures, arguments.seed) | blocked(sources, pack)
        if arguments.generated:
            model = Model.load(arguments.model)
            found["generated"] = flagged(sources, model, pack, arguments.generated, arguments.seed)
    except OrnsteinError as error:
        sys.exit(f"copies: {error}")
    megabytes = (bundle.folder / SOURCES).stat().st_size / 1e6
    took = milliseconds(sources, pictures)
    copies = Policy.find().output.copies
    print(
        f"{arguments.model}: {len(sources.index.ids):,} indexed, calibrated on {len(sources.null.scores):,}, "
        f"{megabytes:.1f} MB, {took:.1f} ms for eight pictures; policy's alpha: {copies and copies.alpha}"
    )
    table(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(_plain(found, megabytes, took), indent=1) + "\n")


def _plain(found: dict[str, Shares], megabytes: float, took: float) -> dict[str, Any]:
    figures = {
        name: {
            str(alpha): [round(one.value, 5), round(one.low, 5), round(one.high, 5)]
            for alpha, one in by.items()
        }
        for name, by in found.items()
    }
    return {"megabytes": round(megabytes, 2), "milliseconds for eight": round(took, 2), "shares": figures}


if __name__ == "__main__":
    main()
