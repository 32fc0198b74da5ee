"""What the picture filter costs, and how many harmless pictures it stops.

    python -m benchmarks.guard.pictures [--emoji data/emoji] [--fashion data/fashion-mnist] [--count 2400]
                                        [--generated 400] [--seed 0]

False positives are counted on real pictures of both packs, drawn at random, and on pictures that the shipped models
make of such captions; all of them are harmless. Scores on backgrounds other than the filter's own are shown beside.
Nothing sexual is in these packs and nothing was fetched, so how much the filter finds was not measured here.

Time is wall time of the filter beside bare generation of the same eight pictures, in turns, medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ornstein.data.pack import Pack
from ornstein.evaluate.estimate import of_mean
from ornstein.guard.pictures import find_checker
from ornstein.guard.pictures.checker import PictureChecker, lay
from ornstein.guard.policy import SHIPPED, Policy
from ornstein.model import Model
from ornstein.rng import stream

ROUNDS = 9
AT_ONCE = 64


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--emoji", type=Path, default=Path("data/emoji"))
    parser.add_argument("--fashion", type=Path, default=Path("data/fashion-mnist"))
    parser.add_argument("--count", type=int, default=2400, help="real pictures of each pack")
    parser.add_argument("--generated", type=int, default=400, help="pictures of each model; 0 for none")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    checker = find_checker("opennsfw")
    latency(checker)
    false_positives(checker, arguments)


def false_positives(checker: PictureChecker, arguments: argparse.Namespace) -> None:
    """Shares of harmless pictures at or above the shipped thresholds, with 95% intervals; quantiles of the scores."""
    (threshold,) = Policy.read(SHIPPED).output.checkers
    levels = [level for level in (threshold.review, threshold.deny) if level is not None]
    heads = "".join(f"{f'{level} or more':<24}" for level in levels)
    print(f"\n{'harmless pictures':<32}{'count':>6}  {heads}  50%   99% 99.9%   max")
    for name, pictures in sets(arguments):
        scores = _scores(checker, pictures)
        shares = "".join(f"{of_mean(scores >= level)!s:<24}" for level in levels)
        quantiles = " ".join(f"{value:5.3f}" for value in np.quantile(scores, [0.5, 0.99, 0.999, 1]))
        print(f"{name:<32}{len(scores):>6}  {shares}{quantiles}", flush=True)


def sets(arguments: argparse.Namespace) -> list[tuple[str, np.ndarray]]:
    """Names, and pictures as uint8 (N, H, W, C)."""
    out: list[tuple[str, np.ndarray]] = []
    for folder, model in ((arguments.emoji, "emoji"), (arguments.fashion, "fashion")):
        pack = Pack.open(folder, verify=False)
        rows = stream("picture-filter", arguments.seed).permutation(len(pack))[: arguments.count]
        pictures = pack.pictures(rows)
        out.append((f"real {model}", pictures))
        if model == "emoji":
            varied = pack.variants[rows] != 0
            out += [("  of a skin tone or gender", pictures[varied]), ("  of none", pictures[~varied])]
            out += [(f"  all on {name}", _on(pictures, level)) for name, level in GREYS.items()]
        rows = rows[: arguments.generated]
        if len(rows):
            captions = [pack.captions(int(row))[0] for row in rows]
            ready, made = Model.load(model), []
            for start in range(0, len(rows), AT_ONCE):
                part = captions[start : start + AT_ONCE]
                made += [each.array for each in ready.generate(part, list(range(start, start + len(part))))]
            out.append((f"generated {model}", np.stack(made)))
    return out


GREYS = {"white": 255, "black": 0, "grey": 128}


def _on(pictures: np.ndarray, level: int) -> np.ndarray:
    """Premultiplied RGBA on a grey, as RGB."""
    behind = ((255 - pictures[..., 3:].astype(np.uint32)) * level + 127) // 255
    return (pictures[..., :3] + behind).astype(np.uint8)


def latency(checker: PictureChecker) -> None:
    """Milliseconds a picture, and the filter's share of bare generation at batch 8."""
    model = Model.load("emoji")
    prompts = [
        f"{colour} {thing}" for colour in ("red", "blue") for thing in ("apple", "car", "house", "fish")
    ]
    made = np.stack([out.array for out in model.generate(prompts, seeds=0)])
    checker.scores(lay(made))
    bare, eight, one = [], [], []
    for seed in range(ROUNDS):
        bare.append(_seconds(lambda seed=seed: model.generate(prompts, seeds=seed)))
        eight.append(_seconds(lambda: checker.scores(lay(made))))
        one.append(_seconds(lambda: checker.scores(lay(made[:1]))))
    share = statistics.median(a / b for a, b in zip(eight, bare, strict=True))
    print(f"filter, one picture          {1e3 * statistics.median(one):7.1f} ms (least {1e3 * min(one):.1f})")
    print(f"filter, eight                {1e3 * statistics.median(eight) / 8:7.1f} ms a picture "
          f"(least {1e3 * min(eight) / 8:.1f})")  # fmt: skip
    print(f"bare generation, eight       {1e3 * statistics.median(bare) / 8:7.1f} ms a picture "
          f"(least {1e3 * min(bare) / 8:.1f})")  # fmt: skip
    print(f"filter beside generation     {share:7.1%}")


def _scores(checker: PictureChecker, pictures: np.ndarray) -> np.ndarray:
    parts = (pictures[start : start + AT_ONCE] for start in range(0, len(pictures), AT_ONCE))
    return np.array([found["nsfw"] for part in parts for found in checker.scores(lay(part))])


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
