"""Recipes: a flagship or a modality is one small function that returns a Recipe."""

from __future__ import annotations

from collections.abc import Callable

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
