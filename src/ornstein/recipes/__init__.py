"""Recipes: a flagship or a modality is one small function that returns a Recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ornstein.config import parse
from ornstein.errors import UsageError, nearest
from ornstein.recipes.emoji import emoji
from ornstein.recipes.fashion import fashion
from ornstein.recipes.folder import folder
from ornstein.recipes.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {"emoji": emoji, "fashion": fashion, "folder": folder}


def find_recipe(name: str) -> Recipe:
    """Return the recipe called `name`.

    Raises:
        UsageError: unknown name; names the nearest known one.
    """
    if name not in RECIPES:
        raise UsageError(f"unknown recipe {name!r}{nearest(name, RECIPES)}")
    return RECIPES[name]()


def read_recipe(file: Path) -> Recipe:
    """Read a recipe from a JSON file, for example one out of a bundle's model.json.

    Raises:
        UsageError: not JSON, or not a recipe; the first bad key is named.
    """
    try:
        values = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} is not a recipe in JSON: {error}") from None
    return parse(Recipe, values)
