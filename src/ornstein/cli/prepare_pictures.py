"""What ``ornstein train`` does with pictures: a packed set, a folder, or a recipe that names a set."""

from __future__ import annotations

from pathlib import Path

import typer

from ornstein.cli.prepare import Kind, Prepared, Wanted
from ornstein.config import override
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.recipes import find_recipe
from ornstein.recipes.recipe import Recipe
from ornstein.train.folder import packed
from ornstein.train.pictures import PictureTask, resolve


def of_folder(folder: Path, wanted: Wanted) -> tuple[Path, Prepared]:
    """Of a folder of pictures, packed beside the run, or of a packed set."""
    name = folder.resolve().name
    data = packed(folder, wanted.run(name) / "data", wanted.licence, wanted.holder)
    recipe = override(find_recipe("folder"), [f"name={name}", f"data.pack={data}", *wanted.changes])
    assert isinstance(recipe, Recipe)
    return of_recipe(recipe, wanted)


def of_recipe(recipe: Recipe, wanted: Wanted) -> tuple[Path, Prepared]:
    """Of the set that a recipe names, as far as the policy lets it be learned from."""
    run = wanted.run(recipe.name)
    pack, counts = _permitted(
        Pack.open(Path(recipe.data.pack)), run / "data-without-duplicates", wanted.policy
    )
    if pack.folder != Path(recipe.data.pack):
        recipe = override(recipe, [f"data.pack={pack.folder}"])
    resolved = resolve(recipe, pack)
    run.mkdir(parents=True, exist_ok=True)
    told = f"{len(pack.indices('train')):,} training items of {pack.name}"
    task = PictureTask(resolved, pack, run / "cache", wanted.device, caption_progress=_captions)
    hint = f'ornstein generate "{(resolved.training.prompts or ("…",))[0]}"'
    return run, Prepared(task, told, counts, hint, lambda bundle: _index(bundle, pack))


def _permitted(pack: Pack, target: Path, policy: Path | None) -> tuple[Pack, dict[str, int]]:
    """What the policy lets be learned from: the pack, or one at `target` without duplicates; and counts of these."""
    from ornstein.data.duplicates import spare_ids
    from ornstein.data.write import NO_DOUBLES, rewritten
    from ornstein.guard.learning import exact_duplicates, refuse_forbidden
    from ornstein.guard.policy import Policy

    rules, rows = Policy.find(policy).training, pack.rows()
    refuse_forbidden(rows, rules)
    if rules.duplicates == "keep":
        return pack, {"exact duplicates": exact_duplicates(rows)}
    if not target.exists():
        rewritten(pack, target, spare_ids(pack, near=True), NO_DOUBLES)
    kept = Pack.open(target)
    return kept, {"duplicates left out": kept.header.notes[NO_DOUBLES]}


def _index(folder: Path, pack: Pack) -> None:
    """Put an index of sources into a bundle that was just trained; what cannot have one is whole without."""
    from ornstein.bundle import Bundle
    from ornstein.cli.index import tell
    from ornstein.guard.trace.build import build
    from ornstein.guard.trace.sources import Sources

    try:
        Sources.open(build(Bundle.open(folder), pack, progress=tell))
    except OrnsteinError as error:
        typer.echo(f"its sources cannot be traced: {error}", err=True)


def _captions(done: int, total: int) -> None:
    if done % 3200 == 0 or done == total:
        typer.echo(f"captions: {done:,} of {total:,}", err=True)


PICTURES = Kind(Recipe, of_recipe, Path.is_dir, of_folder)
