"""Training that starts from a finished bundle: what the start learned from and what it cost stay part of the answer."""

from __future__ import annotations

from collections.abc import Iterable

from ornstein.bundle import MANIFEST, Bundle
from ornstein.data import manifest
from ornstein.data.manifest import TRAIN, Row
from ornstein.errors import OrnsteinError
from ornstein.model import Model
from ornstein.recipes.recipe import Recipe
from ornstein.train.checkpoint import Progress


def starting_model(recipe: Recipe) -> Model | None:
    """The model whose weights a run starts from, if the recipe names one.

    Raises:
        OrnsteinError: no such bundle, its network or conditions are not those of the recipe, or it learned from
            pictures that were to be forgotten or whose licence the recipe does not allow.
    """
    start = recipe.training.start
    if start is None:
        return None
    model = Model.load(start)
    for part in ("network", "condition", "codec"):
        if getattr(model.recipe, part) != getattr(recipe, part):
            raise OrnsteinError(f"{start} cannot be the start: its {part} differs from the recipe's")
    if model.bundle is not None and model.bundle.facts.forgotten:
        raise OrnsteinError(
            f"{start} still knows pictures that were to be forgotten: start from fresh weights"
        )
    manifest.refuse(_learned(model.bundle), set(recipe.data.licences))
    return model


def whole_cost(progress: Progress, start: Bundle | None) -> dict[str, int | float | str | None]:
    """Samples seen, seconds and operations of a run and of all that led to its start, and the start's fingerprint."""
    cost: dict[str, int | float] = {
        "seen": progress.seen, "seconds": progress.seconds, "flops": progress.flops,
    }  # fmt: skip
    if start is None:
        return dict(cost)
    before = start.facts.training
    added = {name: value + type(value)(before.get(name) or 0) for name, value in cost.items()}
    return {**added, "started from": start.fingerprint}


def whole_manifest(rows: Iterable[Row], start: Bundle | None) -> list[Row]:
    """Rows of everything the weights have seen: those of the run, and what the start had learned from besides.

    A picture of the run's pack that the start was trained on counts as trained on, whatever the pack's split says.
    """
    mine, learned = list(rows), _learned(start)
    seen = {row.sha256 for row in mine if row.split == TRAIN}
    before = {row.sha256 for row in learned}
    kept = [row for row in mine if row.split == TRAIN or row.sha256 not in before]
    return kept + [row for row in learned if row.sha256 not in seen]


def _learned(start: Bundle | None) -> list[Row]:
    """The pictures a bundle was trained on, as far as it tells."""
    if start is None or start.facts.data is None:
        return []
    return [row for row in manifest.read(start.folder / MANIFEST) if row.split == TRAIN]
