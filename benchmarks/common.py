"""What the benchmarks share: models from wherever they are, and pictures of many prompts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from safetensors import safe_open

from ornstein.errors import OrnsteinError
from ornstein.model import Model
from ornstein.recipes.recipe import Recipe
from ornstein.train.checkpoint import checkpoints
from ornstein.train.loop import stage_at

AT_ONCE = 64


def open_model(where: str) -> tuple[Model, dict[str, Any]]:
    """A model, and what is known of its training: a bundle's name or folder, a checkpoint, or a run (its newest one).

    Of a checkpoint the first running average is taken, which is what the bundle would ship.
    """
    folder = Path(where)
    kept = checkpoints(folder) if folder.is_dir() else []
    if kept or (folder / "checkpoint.json").is_file():
        return _from_checkpoint(kept[-1] if kept else folder)
    model = Model.load(where)
    training = dict(model.bundle.facts.training) if model.bundle else {}
    return model, {"model": where, "size": model.recipe.sampling.size, **training}


def _from_checkpoint(folder: Path) -> tuple[Model, dict[str, Any]]:
    prefix = "ema0:"
    try:
        facts = json.loads((folder / "checkpoint.json").read_text())
        with safe_open(folder / "state.safetensors", "pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118  (it is no dict)
            tensors = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except FileNotFoundError as error:
        raise OrnsteinError(f"{folder} lacks {error.filename}; a newer one may have replaced it") from error
    recipe = Recipe.model_validate(facts["recipe"])
    model = Model.from_recipe(recipe)
    model.network.load_state_dict(tensors)
    model.network.eval()
    # A run that grows its pictures knows only the size it is at.
    size = stage_at(recipe, facts["progress"]["seen"]).size
    return model, {"model": folder.name, "size": size, **facts["progress"]}


def draw(
    model: Model, prompts: Sequence[str], seeds: Sequence[int], what: str, **settings: Any
) -> np.ndarray:
    """One picture a prompt, uint8 (N, H, W, C) premultiplied, with a progress bar called `what`."""
    made: list[np.ndarray] = []
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=len(prompts))
        for start in range(0, len(prompts), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            made += [out.array for out in model.generate(prompts[part], list(seeds[part]), **settings)]
            bar.update(task, completed=len(made))
    return np.stack(made)
