"""Checkpoints: everything a run needs to go on, written whole or not at all; nothing pickled."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from ornstein.config import parse
from ornstein.errors import OrnsteinError
from ornstein.recipes.recipe import TrainedRecipe

KEEP = 2  # the newest, and one before it in case the disk loses the newest
MAY_CHANGE = (
    "training.samples", "training.checkpoint_seconds", "training.sample_samples", "training.prompts",
    "training.compile", "training.stages", "training.stored", "sampling", "data.pack", "data.licences",
)  # fmt: skip


@dataclass(frozen=True)
class Progress:
    """How far a run has come: optimiser steps, examples seen, working seconds, floating-point operations."""

    step: int = 0
    seen: int = 0
    seconds: float = 0.0
    flops: float = 0.0


def write_checkpoint(
    run: Path, recipe: TrainedRecipe, progress: Progress, tensors: Mapping[str, Tensor]
) -> Path:
    """Write ``checkpoint-<step>`` under `run`: to a temporary name, synced, then renamed; older ones are removed.

    Raises:
        OrnsteinError: a full disk or an unwritable folder; earlier checkpoints are untouched.
    """
    final = run / f"checkpoint-{progress.step:09d}"
    partial = run / f".{final.name}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(
            {name: value.detach().contiguous() for name, value in tensors.items()},
            partial / "state.safetensors",
        )
        facts = {"recipe": recipe.model_dump(mode="json"), "progress": asdict(progress)}
        (partial / "checkpoint.json").write_text(json.dumps(facts, indent=1))
        for file in partial.iterdir():
            _sync(file)
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)
        full = (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in str(error)
        if full:
            raise OrnsteinError(
                f"the disk is full; {_last(run)}: free some space and run the same command"
            ) from error
        if isinstance(error, OSError):
            raise OrnsteinError(
                f"cannot write a checkpoint under {run}: {error.strerror}; {_last(run)}"
            ) from error
        raise
    for old in checkpoints(run)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def checkpoints(run: Path) -> list[Path]:
    """Complete checkpoints under `run`, oldest first."""
    return sorted(path for path in run.glob("checkpoint-*") if (path / "checkpoint.json").is_file())


def read_checkpoint(folder: Path, recipe: TrainedRecipe) -> tuple[Progress, dict[str, Tensor]]:
    """Read a checkpoint written with the same recipe.

    Raises:
        OrnsteinError: damaged, or of another recipe (the differing keys are named); length, stages and what only
            concerns reporting may differ.
    """
    try:
        facts = json.loads((folder / "checkpoint.json").read_text())
        progress = Progress(**facts["progress"])
        # parsed, so that a choice that did not exist then has its default
        theirs, ours = (
            flatten(r.model_dump(mode="json")) for r in (parse(type(recipe), facts["recipe"]), recipe)
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OrnsteinError(
            f"{folder} is damaged ({error}); remove it to resume from the one before"
        ) from error
    differing = sorted(key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key))
    differing = [key for key in differing if not _may_change(key)]
    if differing:
        raise OrnsteinError(
            f"{folder} belongs to another recipe (differs in {', '.join(differing[:5])}); use another --out"
        )
    try:
        return progress, load_file(folder / "state.safetensors")
    except Exception as error:  # safetensors raises its own type for truncated files
        raise OrnsteinError(
            f"{folder} is damaged ({error}); remove it to resume from the one before"
        ) from error


def flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys."""
    if not isinstance(values, dict):
        return {prefix: values}
    parts = (flatten(value, f"{prefix}.{name}" if prefix else name) for name, value in values.items())
    return {key: value for part in parts for key, value in part.items()}


def with_prefix(
    prefix: str, tensors: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]
) -> dict[str, Tensor]:
    """Put ``prefix:`` before every name."""
    return {f"{prefix}:{name}": value for name, value in dict(tensors).items()}


def of_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose name starts with ``prefix:``, without it."""
    return {k.removeprefix(f"{prefix}:"): v for k, v in tensors.items() if k.startswith(f"{prefix}:")}


def _may_change(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in MAY_CHANGE)


def _last(run: Path) -> str:
    kept = checkpoints(run)
    return f"the last checkpoint is {kept[-1].name}" if kept else "there is no earlier checkpoint"


def _sync(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
