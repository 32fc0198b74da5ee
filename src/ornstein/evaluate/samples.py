"""Generated pictures, kept on disk by what they are, so that an interrupted evaluation goes on and a second is free."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ornstein.data.atomic import new_file
from ornstein.errors import OrnsteinError
from ornstein.model import Model
from ornstein.request import requests

CHUNK = 64  # pictures a file holds


@dataclass(frozen=True)
class Settings:
    """How pictures are made: as in ``Model.generate``."""

    steps: int
    guidance: float
    sampler: str
    size: int

    @classmethod
    def of(
        cls, model: Model, steps: int | None = None, guidance: float | None = None, sampler: str | None = None
    ) -> Settings:
        """The model's defaults, save what is given.

        Raises:
            UsageError: a value no picture can be asked with.
        """
        section = model.recipe.sampling
        made = cls(
            section.steps if steps is None else steps,
            section.guidance if guidance is None else guidance,
            sampler or section.sampler,
            section.size,
        )
        requests("any", 1, 0, "", **asdict(made))
        return made

    def defaults(self) -> dict[str, int | float | str]:
        """What a recipe's sampling section calls them."""
        return {"steps": self.steps, "guidance": self.guidance, "sampler": self.sampler}


@dataclass(frozen=True)
class Samples:
    """Generated pictures: uint8 (N, H, W, C), premultiplied, and the seconds of work each took when it was made."""

    pictures: np.ndarray
    seconds: float


def samples(
    model: Model,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: Settings,
    cache: Path,
    progress: Callable[[int], None] = lambda done: None,
) -> Samples:
    """One picture a prompt.

    Args:
        model: loaded from a bundle.
        prompts: what to draw.
        seeds: one a prompt.
        settings: of the sampler.
        cache: folder of one file for 64 pictures, named by model, prompts, seeds and settings.
        progress: told how many pictures there are.

    Raises:
        OrnsteinError: the cache cannot be written.
    """
    assert model.bundle is not None, "samples are kept under the fingerprint of a bundle"
    parts: list[np.ndarray] = []
    seconds = 0.0
    for start in range(0, len(prompts), CHUNK):
        part = slice(start, start + CHUNK)
        key = json.dumps([model.bundle.fingerprint, prompts[part], list(seeds[part]), asdict(settings)])
        file = cache / f"samples-{hashlib.sha256(key.encode()).hexdigest()[:24]}.safetensors"
        pictures, spent = _read(file) or _make(model, prompts[part], seeds[part], settings, file)
        parts.append(pictures)
        seconds += spent
        progress(start + len(pictures))
    return Samples(np.concatenate(parts), seconds / len(prompts))


def _read(file: Path) -> tuple[np.ndarray, float] | None:
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        return None
    try:
        with safe_open(file, "pt") as held:
            return held.get_tensor("pictures").numpy(), float(held.get_tensor("seconds"))
    except (SafetensorError, OSError):
        return None  # a damaged cache file costs a second making, nothing else


def _make(
    model: Model, prompts: Sequence[str], seeds: Sequence[int], settings: Settings, file: Path
) -> tuple[np.ndarray, float]:
    from safetensors.torch import save_file

    started = time.perf_counter()
    made = model.generate(list(prompts), list(seeds), **asdict(settings))
    spent = time.perf_counter() - started
    pictures = np.stack([out.array for out in made])
    tensors = {"pictures": torch.from_numpy(pictures), "seconds": torch.tensor(spent, dtype=torch.float64)}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with new_file(file) as part:
            save_file(tensors, part)
    except OSError as error:
        raise OrnsteinError(f"cannot write samples to {file.parent}: {error.strerror or error}") from error
    return pictures, spent
