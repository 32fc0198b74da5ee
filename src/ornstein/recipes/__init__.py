"""Recipes: a flagship or a kind of data is one small function that returns a recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ornstein.config import parse
from ornstein.errors import UsageError, nearest
from ornstein.recipes.emoji import emoji
from ornstein.recipes.fashion import fashion
from ornstein.recipes.folder import folder
from ornstein.recipes.recipe import Recipe, TrainedRecipe
from ornstein.recipes.table import TableRecipe
from ornstein.recipes.text import TextRecipe, gcide, kjv, text

RECIPES: dict[str, Callable[[], TrainedRecipe]] = {
    "emoji": emoji,
    "fashion": fashion,
    "folder": folder,
    "kjv": kjv,
    "gcide": gcide,
    "text": text,
}
KINDS: dict[str, type[TrainedRecipe]] = {"table": TableRecipe, "text": TextRecipe}
"""By the ``kind`` that they name; those of pictures name none."""


def find_recipe(name: str) -> TrainedRecipe:
    """Return the recipe called `name`.

    Raises:
        UsageError: unknown name; names the nearest known one.
    """
    if name not in RECIPES:
        raise UsageError(f"unknown recipe {name!r}{nearest(name, RECIPES)}")
    return RECIPES[name]()


def read_recipe(file: Path) -> TrainedRecipe:
    """Read a recipe from a JSON file, for example one out of a bundle's model.json.

    Raises:
        UsageError: not JSON, or not a recipe; the first bad key is named.
    """
    try:
        values = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} is not a recipe in JSON: {error}") from None
    kind = values.get("kind") if isinstance(values, dict) else None
    return parse(KINDS.get(str(kind), Recipe), values)
