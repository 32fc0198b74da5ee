"""Does a picture show what was asked for? Its nearest real pictures of the same style answer.

    python benchmarks/retrieval.py --model emoji --pack data/emoji
    python benchmarks/retrieval.py --pack data/emoji            (real pictures only: chance, ceiling, centring)

One picture is generated for each prompt and searched among all real pictures of its style, trained and held out, in
EfficientNet-lite0 features. Skin tone and gender do not count. Beside each figure: the rate of a random search, and the
ceiling, a real picture of the same concept in another style put through the same search.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from common import draw, open_model
from ornstein.data.manifest import HELD_OUT_CONCEPT, HELD_OUT_PAIR, TRAIN
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.evaluate.features import features, find_network
from ornstein.evaluate.retrieval import Gallery, Search
from ornstein.rng import stream

CENTRE = True  # chosen on real pictures alone, before any model was measured: see `ceilings`
KS = (1, 5)
CHUNK = 256  # pictures a file of the feature cache holds
TITLES = {
    "trained": "trained pairs",
    "single-variant": "trained pairs, concepts without skin tones",
    "held-out-pairs": "held-out (concept, style) pairs",
    "held-out-concepts": "held-out concepts",
}


@dataclass(frozen=True)
class Prompts:
    """Pairs asked for: rows of the pack, each the plain picture of its (concept, style)."""

    name: str
    rows: np.ndarray


def plain_pairs(pack: Pack) -> np.ndarray:
    """One row for each (concept, style) that has a plain variant, ascending."""
    plain = np.flatnonzero(pack.variants == 0)
    pairs = pack.concepts[plain].astype(np.int64) * len(pack.style_names) + pack.styles[plain]
    return np.sort(plain[np.unique(pairs, return_index=True)[1]])


def choose(pack: Pack, count: int, seed: int) -> list[Prompts]:
    """Up to `count` pairs of each group, the first of one order that the seed alone decides, so groups share pairs."""
    rows = stream("retrieval", seed).permutation(plain_pairs(pack))
    split, toned = pack.splits[rows], np.isin(pack.families[rows], pack.families[pack.variants != 0])
    masks = {
        "trained": split == TRAIN,
        "single-variant": (split == TRAIN) & ~toned,
        "held-out-pairs": split == HELD_OUT_PAIR,
        "held-out-concepts": split == HELD_OUT_CONCEPT,
    }
    return [Prompts(name, rows[mask][:count]) for name, mask in masks.items()]


def real_features(pack: Pack, cache: Path) -> Tensor:
    """Features of every picture of the pack, from the cache where they are known."""
    network, started = find_network("effnet-lite0"), time.monotonic()
    rows = [np.arange(at, min(at + CHUNK, len(pack))) for at in range(0, len(pack), CHUNK)]

    def tell(done: int) -> None:
        print(f"\rreal pictures: {done:,} of {len(pack):,}", end="", file=sys.stderr, flush=True)

    found = features(network, (pack.pictures(part) for part in rows), cache, tell)
    print(f" in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return found


def other_styles(pack: Pack, rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row a plain picture of its concept in another style, drawn by the seed: (which rows have one, it)."""
    plain = plain_pairs(pack)
    by_concept: dict[int, list[int]] = {}
    for row in plain.tolist():
        by_concept.setdefault(int(pack.concepts[row]), []).append(row)
    kept: list[int] = []
    others: list[int] = []
    for row in rows.tolist():
        known = [r for r in by_concept[int(pack.concepts[row])] if pack.styles[r] != pack.styles[row]]
        if known:
            kept.append(row)
            others.append(known[int(stream("ceiling", seed, row).integers(len(known)))])
    return np.array(kept, np.int64), np.array(others, np.int64)


def ceiling(pack: Pack, gallery: Gallery, real: Tensor, rows: np.ndarray, seed: int) -> Search:
    """Real pictures of the same concepts in other styles, searched in the styles of `rows`."""
    rows, others = other_styles(pack, rows, seed)
    return gallery.search(real[others], pack.styles[others].tolist(), pack.styles[rows].tolist(),
                          pack.families[rows].tolist())  # fmt: skip


def ceilings(pack: Pack, real: Tensor, seed: int) -> None:
    """Print the search from real picture to real picture over all pairs, with centring and without."""
    for centre in (False, True):
        gallery = Gallery(real, pack.styles, pack.families, centre)
        found = ceiling(pack, gallery, real, plain_pairs(pack), seed)
        says = "centred on its style" if centre else "not centred"
        used = " (used)" if centre == CENTRE else ""
        print(f"real to real, {says}{used}: {_rates(found)} of {len(found.places):,} pairs")


def measure(arguments: argparse.Namespace, pack: Pack, real: Tensor) -> dict[str, Any]:
    """Generate, search and compare every group of prompts."""
    model, facts = open_model(arguments.model)
    groups = choose(pack, arguments.count, arguments.seed)
    rows = np.unique(np.concatenate([group.rows for group in groups]))
    settings = {name: getattr(arguments, name) for name in ("steps", "guidance", "sampler")}
    settings["size"] = arguments.size or facts["size"]
    captions = [pack.captions(row)[0] for row in rows.tolist()]
    started = time.monotonic()
    pictures = draw(
        model, captions, [arguments.seed + row for row in rows.tolist()], "generating", **settings
    )
    seconds = time.monotonic() - started
    made = find_network("effnet-lite0")(pictures)
    gallery = Gallery(real, pack.styles, pack.families, CENTRE)
    results: dict[str, Any] = {}
    for group in groups:
        mine = made[np.searchsorted(rows, group.rows)]
        styles = pack.styles[group.rows].tolist()
        found = gallery.search(mine, styles, styles, pack.families[group.rows].tolist())
        best = ceiling(pack, gallery, real, group.rows, arguments.seed)
        results[group.name] = {"generated": _recalls(found), "ceiling": _recalls(best)}
        print(f"{TITLES[group.name]} ({len(group.rows)} prompts)")
        print(
            f"  generated  {_rates(found)}\n  ceiling    {_rates(best)} ({len(best.places)} have another style)"
        )
        print("  chance     " + "  ".join(f"R@{k} {found.recall(k).chance:.4f}" for k in KS))
    defaults = model.recipe.sampling
    settings = {k: v if v is not None else getattr(defaults, k) for k, v in settings.items()}
    return {
        **facts,
        "settings": {**settings, "seed": arguments.seed, "centred": CENTRE},
        "features": "EfficientNet-lite0",
        "pack": pack.fingerprint,
        "seconds_a_picture": round(seconds / len(rows), 4),
        "groups": results,
    }


def _recalls(found: Search) -> dict[str, Any]:
    return {f"R@{k}": {key: round(value, 5) for key, value in asdict(found.recall(k)).items()} for k in KS}


def _rates(found: Search) -> str:
    each = [found.recall(k) for k in KS]
    return "  ".join(f"R@{r.k} {r.rate:.3f} ({r.low:.3f} to {r.high:.3f})" for r in each)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="name or folder of a bundle, a run, or one of its checkpoints")
    parser.add_argument("--pack", type=Path, default=Path("data/emoji"))
    parser.add_argument("--count", type=int, default=300, help="prompts of each group (300)")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--sampler")
    parser.add_argument("--size", type=int, help="of the generated pictures; a checkpoint's stage decides it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error("--count must be at least 1")
    try:
        pack = Pack.open(arguments.pack)
        real = real_features(pack, arguments.pack / "features")
        if not arguments.model:
            return ceilings(pack, real, arguments.seed)
        results = measure(arguments, pack, real)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    except OrnsteinError as error:
        sys.exit(f"retrieval: {error}")
    return None


if __name__ == "__main__":
    main()
