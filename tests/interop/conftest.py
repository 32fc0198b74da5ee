"""Each tiny pipeline, saved and imported once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from diffusers.utils import logging

from ornstein.interop.importing import import_pipeline
from ornstein.model import Model
from tests.interop import tiny
from tests.small import ornstein

__all__ = ["both", "ornstein"]

LABELS = {"0": "tench, Tinca tinca", "1": "goldfish, Carassius auratus"}


@dataclass(frozen=True)
class Both:
    """A pipeline of diffusers and the model it became."""

    pipe: Any
    folder: Path
    model: Model


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Both]:
    """Gives a family's pipeline, saved, imported and loaded; each combination once."""
    made: dict[tuple[str, str], Both] = {}
    logging.disable_progress_bar()
    logging.set_verbosity_error()

    def make(family: str, scheduler: Any = None) -> Both:
        key = family, str(scheduler and dict(scheduler.config))
        if key not in made:
            place = tmp_path_factory.mktemp(family)
            pipe = getattr(tiny, family)()
            if scheduler is not None:
                pipe.scheduler = scheduler
            pipe.set_progress_bar_config(disable=True)
            save(pipe, place / "pipe")
            bundle = import_pipeline(str(place / "pipe"), place / "bundle")
            made[key] = Both(pipe, place / "pipe", Model.load(bundle.folder))
        return made[key]

    return make


def save(pipe: Any, folder: Path) -> None:
    """Save a pipeline, silent; a published DiT also names its classes."""
    pipe.save_pretrained(folder)
    if type(pipe).__name__ == "DiTPipeline":
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps({**index, "id2label": LABELS}))
