"""How often does the guard of texts refuse what is harmless, and how long does it take?

    python -m benchmarks.guard.texts [PACK …] [--json FILE]

Passages of real text (``ornstein data fetch kjv``, ``… gcide``) are read as if a model had written them: by the check
that no policy turns off, and, as prompts are, by the words of the shipped policy. Every hit on the check is shown.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ornstein.data.text import TextPack
from ornstein.evaluate.estimate import Estimate, of_mean
from ornstein.guard.decision import strictest
from ornstein.guard.policy import SHIPPED, Policy
from ornstein.guard.prompts import PromptFilter
from ornstein.guard.prompts.filter import LONGEST
from ornstein.guard.prompts.forbidden import forbidden
from ornstein.guard.prompts.normalise import ways
from ornstein.rng import stream

MOST = 20_000  # passages of a pack


def passages(folder: Path) -> list[str]:
    """Of a pack, an even sample."""
    texts = [text[:LONGEST] for text in TextPack.open(folder).texts]
    return [texts[k] for k in stream("texts", 0).permutation(len(texts))[:MOST]]


def measured(texts: list[str], words: PromptFilter) -> dict[str, Any]:
    """Print and return shares refused and milliseconds."""
    hits: list[bool] = []
    taken: list[float] = []
    for text in texts:
        started = time.thread_time()
        found = forbidden(text, ways(text))
        taken.append(1000 * (time.thread_time() - started))
        hits.append(bool(found))
        for one in found:
            print(f"  {one.label}: {one.where!r} in {text[:300]!r}")
    always = of_mean(np.array(hits))
    asked = [words.check(text)[1] for text in texts[: MOST // 10]]
    actions = Counter(strictest(decisions) for decisions in asked)
    rules = Counter(decision.rule for decisions in asked for decision in decisions)
    stopped = of_mean(np.array([strictest(decisions) in ("deny", "review") for decisions in asked]))
    median, high = np.quantile(taken, (0.5, 0.95))
    print(f"what no policy allows: {sum(hits)} of {len(texts):,}, {_shown(always)}")
    print(f"as prompts, denied or held: {_shown(stopped)}; {dict(actions)}, by {rules.most_common(8)}")
    print(f"a passage takes {median:.2f} ms, 95th percentile {high:.2f} ms")
    return {
        "of": len(texts),
        "forbidden": asdict(always),
        "as prompts": asdict(stopped),
        "ms": median,
        "ms, 95%": high,
    }


def _shown(share: Estimate) -> str:
    return f"{share.value:.3%} ({share.low:.3%} to {share.high:.3%})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packs", nargs="*", type=Path, default=[Path("data/kjv"), Path("data/gcide")])
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    chosen = parser.parse_args()
    words = PromptFilter(Policy.read(SHIPPED).prompt.model_copy(update={"checkers": ()}))
    results: dict[str, Any] = {}
    for pack in chosen.packs:
        print(pack.name)
        results[pack.name] = measured(passages(pack), words)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
