"""A model from a bundle, whatever it makes; what ``ornstein.load`` is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from ornstein.bundle import Bundle
from ornstein.shelf import find

MODELS = {
    "imported": ("ornstein.imported", "ImportedModel"),
    "table": ("ornstein.tables", "TableModel"),
    "text": ("ornstein.texts", "TextModel"),
}
"""Module and class by the ``kind`` of a recipe; those of pictures name none."""


def load(
    name_or_folder: str | Path,
    device: torch.device | str = "cpu",
    encoder_folder: str | Path | None = None,
) -> Any:
    """A model from a bundle: a shipped one, one of the user's by name, or a folder.

    Args:
        name_or_folder: of the bundle.
        device: where the network runs.
        encoder_folder: of the text encoder, for a model that has one, where it lies in no usual place.

    Returns:
        A ``Model`` of pictures, or the class that ``MODELS`` names for what the bundle makes.

    Raises:
        OrnsteinError: no such bundle, or one that is damaged: altered, incomplete, of a newer format, with weights
            that are not finite or are not those of its recipe.
    """
    bundle = Bundle.open(find(name_or_folder))
    kind = getattr(bundle.facts.recipe, "kind", None)
    if kind is None:
        from ornstein.model import Model

        return Model.of(bundle, device, encoder_folder)
    module, name = MODELS[kind]
    return getattr(import_module(module), name).of(bundle, device)
