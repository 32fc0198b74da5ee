"""What ``ornstein train`` was pointed at, as a task: one file ``prepare_*`` for each kind of data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ornstein.config import override
from ornstein.errors import UsageError
from ornstein.recipes import RECIPES, find_recipe, read_recipe
from ornstein.recipes.recipe import TrainedRecipe
from ornstein.train.task import Task

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Wanted:
    """What the command line said.

    Attributes:
        changes: of the recipe, ``path=value`` each. out: folder of the run, where it was named. device: to train on.
        licence, holder: of data that names none. policy: a file, where one was named.
        columns: types of a table's columns, ``name=type`` each.
    """

    changes: Sequence[str]
    out: Path | None
    device: torch.device
    licence: str | None
    holder: str | None
    policy: Path | None
    columns: Sequence[str] = ()

    def run(self, name: str) -> Path:
        """The folder of a run of that name."""
        return self.out or Path("runs") / name


@dataclass(frozen=True)
class Prepared:
    """A task, and what to tell of it.

    Attributes:
        told: what is trained on, for people. counts: of the data, which the bundle keeps.
        hint: the command that makes something with the bundle. index: makes a bundle's sources traceable.
    """

    task: Task
    told: str
    counts: dict[str, int]
    hint: str
    index: Callable[[Path], None]


@dataclass(frozen=True)
class Kind:
    """A kind of data that can be learned.

    Attributes:
        recipe: class of its recipes. of_recipe: the run's folder and the task of one.
        data: whether a file or folder holds such data. of_data: the same of what does.
    """

    recipe: type[TrainedRecipe]
    of_recipe: Callable[[Any, Wanted], tuple[Path, Prepared]]
    data: Callable[[Path], bool]
    of_data: Callable[[Path, Wanted], tuple[Path, Prepared]]


def prepare(named: str, wanted: Wanted) -> tuple[Path, Prepared]:
    """The run's folder, and the task, of what a user named: data, a recipe, or a recipe's file.

    Raises:
        UsageError: no such recipe, or a change that does not fit it. OrnsteinError: data that cannot be learned from.
    """
    from ornstein.cli.prepare_pictures import PICTURES
    from ornstein.cli.prepare_tables import TABLES
    from ornstein.cli.prepare_text import TEXT

    kinds, source = [TABLES, TEXT, PICTURES], Path(named)
    if wanted.columns and not TABLES.data(source):
        raise UsageError(f"--column belongs to a table, which {named} is not")
    if named not in RECIPES and source.exists():
        for kind in kinds:
            if kind.data(source):
                return kind.of_data(source, wanted)
    recipe = read_recipe(source) if named not in RECIPES and source.is_file() else find_recipe(named)
    (kind,) = (kind for kind in kinds if isinstance(recipe, kind.recipe))
    return kind.of_recipe(override(recipe, wanted.changes), wanted)
