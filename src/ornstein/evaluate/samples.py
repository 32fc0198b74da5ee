"""Generated pictures, kept on disk by what they are, so that an interrupted evaluation goes on and a second is free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ornstein.config import as_text, changes
from ornstein.data.atomic import new_file
from ornstein.data.pixels import area
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
        (asked,) = requests("any", 1, 0, "", section, steps=steps, guidance=guidance, sampler=sampler)
        return cls(asked.steps, asked.guidance, asked.sampler, asked.size)

    def defaults(self) -> dict[str, int | float | str]:
        """What a recipe's sampling section calls them."""
        return {"steps": self.steps, "guidance": self.guidance, "sampler": self.sampler}


def samples(
    model: Model,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: Settings,
    cache: Path,
    progress: Callable[[int], None] = lambda done: None,
    side: int | None = None,
) -> np.ndarray:
    """One picture a prompt: uint8 (N, H, W, C), premultiplied.

    Args:
        model: loaded from a bundle.
        prompts: what to draw.
        seeds: one a prompt.
        settings: of the sampler.
        cache: folder of one file for 64 pictures, named by model, prompts, seeds and settings.
        progress: told how many pictures there are.
        side: larger pictures are averaged down to it, and so kept: thousands of large ones fit neither memory nor disk.

    Raises:
        OrnsteinError: the cache cannot be written.
    """
    assert model.bundle is not None, "samples are kept under the fingerprint of a bundle"
    section = (
        model.recipe.sampling
    )  # of which rule and schedule are the model's own, and no part of its fingerprint
    habits = [as_text(getattr(section, name)) for name in ("rule", "schedule") if name in changes(section)]
    small = side if side is not None and side < settings.size else None
    parts: list[np.ndarray] = []
    for start in range(0, len(prompts), CHUNK):
        part = slice(start, start + CHUNK)
        asked = [model.bundle.fingerprint, prompts[part], list(seeds[part]), asdict(settings), *habits]
        key = json.dumps(asked if small is None else [*asked, {"side": small}])
        file = cache / f"samples-{hashlib.sha256(key.encode()).hexdigest()[:24]}.safetensors"
        held = _read(file)
        parts.append(
            held if held is not None else _make(model, prompts[part], seeds[part], settings, file, small)
        )
        progress(start + len(parts[-1]))
    return np.concatenate(parts)


def _read(file: Path) -> np.ndarray | None:
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        return None
    try:
        with safe_open(file, "pt") as held:
            return held.get_tensor("pictures").numpy()
    except (SafetensorError, OSError):
        return None  # a damaged cache file costs a second making, nothing else


def _make(
    model: Model,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: Settings,
    file: Path,
    side: int | None,
) -> np.ndarray:
    from safetensors.torch import save_file

    made = model.generate(list(prompts), list(seeds), **asdict(settings))
    pictures = np.stack([out.array for out in made])
    if side is not None:
        pictures = area(pictures, side)
    pictures = np.ascontiguousarray(pictures)  # of a decoder that puts channels first they are not
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with new_file(file) as part:
            save_file({"pictures": torch.from_numpy(pictures)}, part)
    except OSError as error:
        raise OrnsteinError(f"cannot write samples to {file.parent}: {error.strerror or error}") from error
    return pictures
