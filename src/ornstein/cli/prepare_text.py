"""What ``ornstein train`` does with text: a pack, a file or folder of text, or a recipe that names a pack."""

from __future__ import annotations

from pathlib import Path

from ornstein.cli.prepare import Kind, Prepared, Wanted
from ornstein.config import override
from ornstein.data.manifest import TRAIN
from ornstein.data.text import TextPack, is_text, read_passages, write_pack
from ornstein.errors import UsageError
from ornstein.recipes import find_recipe
from ornstein.recipes.text import TextRecipe
from ornstein.train.texts import TextTask, resolve

SUFFIXES = (".txt", ".jsonl")


def holds_text(source: Path) -> bool:
    """Whether a path is a pack of text, a file of text, or a folder that holds such files and no pictures' metadata."""
    if source.is_file():
        return source.suffix in SUFFIXES
    found = [file for file in source.rglob("*") if file.suffix in SUFFIXES and file.name != "metadata.jsonl"]
    return is_text(source) or (bool(found) and all(_alone(file) for file in found))


def _alone(file: Path) -> bool:
    """Whether no picture stands beside a text, which would be its caption."""
    return not any(other.suffix not in SUFFIXES for other in file.parent.glob(f"{file.stem}.*"))


def of_text(source: Path, wanted: Wanted) -> tuple[Path, Prepared]:
    """Of a user's text, packed beside the run, or of a pack."""
    name = source.resolve().stem
    pack = source
    if not is_text(source):
        if wanted.licence is None:
            raise UsageError(f"{source} names no licence: say whose it is with --licence and --holder")
        pack = write_pack(
            wanted.run(name) / "data", name, read_passages(source), licence=wanted.licence,
            holder=wanted.holder or "", source=source.name, force=True,
        )  # fmt: skip
    recipe = override(find_recipe("text"), [f"name={name}", f"data.pack={pack}", *wanted.changes])
    assert isinstance(recipe, TextRecipe)
    return of_recipe(recipe, wanted)


def of_recipe(recipe: TextRecipe, wanted: Wanted) -> tuple[Path, Prepared]:
    """Of the pack that a recipe names, as far as the policy lets it be learned from."""
    from ornstein.guard.learning import refuse_forbidden
    from ornstein.guard.policy import Policy

    run, pack = wanted.run(recipe.name), TextPack.open(recipe.data.pack)
    refuse_forbidden(pack.rows, Policy.find(wanted.policy).training)
    resolved = resolve(recipe, pack)
    run.mkdir(parents=True, exist_ok=True)
    passages = pack.of(TRAIN)
    told = f"{len(passages):,} training passages of {pack.name}, {resolved.codec.categories:,} tokens"
    hint = f'ornstein generate "{(resolved.training.prompts or ("…",))[0]}"'
    task = TextTask(resolved, pack, wanted.device)
    counts = {"characters": sum(map(len, passages)), **pack.header.notes}
    return run, Prepared(task, told, counts, hint, lambda bundle: _index(bundle, passages))


def _index(folder: Path, passages: list[str]) -> None:
    """Put the training text's runs of words into a bundle, so that copies are found."""
    from ornstein.bundle import Bundle
    from ornstein.data.copies import Copies
    from ornstein.saving import with_sources

    with_sources(Bundle.open(folder), Copies.of(passages).save())


TEXT = Kind(TextRecipe, of_recipe, holds_text, of_text)
