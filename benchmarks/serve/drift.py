"""What drift the service notices: distances of changed samples to a reference, each with its interval.

    python -m benchmarks.serve.drift [--model emoji] [--pack data/emoji] [--pictures 192]

The reference is a golden sample of captions of the pack; every other sample has other seeds, and one thing changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from benchmarks.common import draw

from ornstein.data.pack import Pack
from ornstein.evaluate.features import find_network
from ornstein.model import Model
from ornstein.serve.monitor.drift import looked_at
from ornstein.serve.monitor.reference import NETWORK, Reference


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--pack", type=Path, default=Path("data/emoji"))
    parser.add_argument("--pictures", type=int, default=192)
    arguments = parser.parse_args()
    count, model, network = arguments.pictures, Model.load(arguments.model), find_network(NETWORK)
    pack = Pack.open(arguments.pack)
    captions = sorted({pack.captions(k)[0] for k in range(len(pack))})
    order = np.random.default_rng(0).permutation(len(captions))
    prompts, others = ([captions[k] for k in order[part : part + count]] for part in (0, count))
    words = sorted(captions, key=lambda text: ("face" not in text, text))[:count]

    def sample(asked: list[str], seed: int, what: str, **settings: object) -> torch.Tensor:
        pictures = draw(model, asked, range(seed, seed + count), what, **settings)
        return torch.stack(looked_at(network, list(pictures)))

    base = Reference(sample(prompts, 0, "reference"), network.key, "", "golden")
    print(f"{arguments.model}, {count} pictures a sample; KID x 1000 with 95% interval")
    rows = {
        "halves of the reference": base.spread(),
        "the same prompts": base.distance(sample(prompts, 10_000, "same")),
        "other captions of the pack": base.distance(sample(others, 20_000, "others")),
        "the same prompts, 4 steps": base.distance(sample(prompts, 30_000, "steps", steps=4, sampler="heun")),
        "the same prompts, without guidance": base.distance(
            sample(prompts, 40_000, "guidance", guidance=1.0)
        ),
        "nothing but faces": base.distance(sample(words, 50_000, "faces")),
    }
    for name, found in rows.items():
        print(f"{name:<36}{1e3 * found.value:8.1f} ({1e3 * found.low:.1f} to {1e3 * found.high:.1f})")


if __name__ == "__main__":
    main()
