"""What a network is asked for while a sampler is fitted to it: its user's prompts, or what it tells itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ornstein.bundle import MANIFEST
from ornstein.errors import OrnsteinError, UsageError
from ornstein.model import Model
from ornstein.recipes.imported import ImportedRecipe
from ornstein.recipes.recipe import ClassesCondition
from ornstein.request import clean

LARGEST = 64 << 20  # bytes


def read_prompts(file: Path) -> list[str]:
    """The lines of a UTF-8 file that are not empty, each as a prompt.

    Raises:
        OrnsteinError: no file, no text, or nothing in it. UsageError: a line that is no prompt.
    """
    try:
        if not file.is_file():
            raise OrnsteinError(f"cannot read {file}: no such file")
        if file.stat().st_size > LARGEST:
            raise OrnsteinError(f"{file} has more than {LARGEST >> 20} MiB: some thousand prompts are enough")
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise OrnsteinError(f"{file} is no text in UTF-8: one prompt a line is expected") from None
    except OSError as error:
        raise OrnsteinError(f"cannot read {file}: {error.strerror}") from None
    found: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(clean(line))
        except ValueError as error:
            raise UsageError(f"{file}, line {number}: {error}") from None
    if not any(found):
        raise OrnsteinError(f"{file} holds no prompt: one a line is expected")
    return [prompt for prompt in found if prompt]


def prompts_of(model: Model, given: Sequence[str] = ()) -> list[str]:
    """Those given; else captions that the model learned from, its sample prompts, or its classes.

    Raises:
        UsageError: given ones that the model cannot be asked with. OrnsteinError: none are given, and it tells none.
    """
    recipe = model.recipe
    if recipe.condition.kind == "nothing":
        if given:
            raise UsageError(f"nothing steers {recipe.name}: leave --prompts out")
        return [""]
    if given:
        if isinstance(recipe.condition, ClassesCondition):
            model.encoder.encode(sorted(set(given)))
        return list(given)
    if found := list(_own(model)):
        return found
    what = (
        "was imported and"
        if isinstance(recipe, ImportedRecipe)
        else "has neither manifest nor sample prompts:"
    )
    raise OrnsteinError(
        f"{recipe.name} {what} tells no prompts: name a file of them, one a line, with --prompts"
    )


def _own(model: Model) -> Sequence[str]:
    """What a model tells of prompts; empty where it tells none."""
    recipe, captions = model.recipe, []
    if not isinstance(recipe, ImportedRecipe):
        if model.bundle is not None and (file := model.bundle.folder / MANIFEST).is_file():
            from ornstein.data import manifest

            rows = manifest.read(file)
            captions = [row.captions[0] for row in rows if row.split == manifest.TRAIN and row.captions]
        captions = captions or recipe.training.prompts
    if captions or not isinstance(recipe.condition, ClassesCondition):
        return captions
    names = recipe.condition.names
    # published class names repeat (two of ImageNet's are "crane"); their numbers never do
    return [str(k) for k in range(len(names))] if isinstance(recipe, ImportedRecipe) else names
