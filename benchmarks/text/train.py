"""Train the rival as ``ornstein train`` trains the model: ``python -m benchmarks.text.train RECIPE.json RUN``.

RECIPE.json is the resolved recipe of the model's run: ``recipe`` in its ``checkpoint.json``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from benchmarks.text.next_token import NextTokenTask

from ornstein.config import parse
from ornstein.data.text import TextPack
from ornstein.net.inference import keep_freed_memory
from ornstein.recipes.text import TextRecipe
from ornstein.train.loop import Trainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("run", type=Path)
    chosen = parser.parse_args()
    keep_freed_memory()
    recipe = parse(TextRecipe, json.loads(chosen.recipe.read_text()))
    trainer = Trainer(NextTokenTask(recipe, TextPack.open(recipe.data.pack)), chosen.run)
    losses: list[float] = []
    for report in trainer.steps():
        losses.append(report.loss)
        if report.progress.step % 50 == 0:
            print(f"{report.progress.seen:8,} {np.mean(losses[-50:]):.4f}", flush=True)
    trainer.save()


if __name__ == "__main__":
    main()
