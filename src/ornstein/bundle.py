"""The bundle: a model as a folder of plain files, every one hashed, nothing ever unpickled.

``saving.py`` writes it.

- ``model.json``: format, recipe, hashes of the other files, origins of the data, cost of the training
- ``model.safetensors``: weights
- ``metrics.json``: what was measured
- ``card.md``: the same for people
- ``manifest.parquet``: one row for every picture, trained on or held out, where the data is known
- ``sources.safetensors``: copy descriptor and index of what was trained on, where one was built (``guard/trace``)
- ``pipeline/``: of an imported model, in place of ``model.safetensors``: the files of its folder
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from ornstein.config import Config, parse
from ornstein.errors import OrnsteinError, UsageError
from ornstein.hashes import sha256
from ornstein.recipes.imported import ImportedRecipe
from ornstein.recipes.recipe import Recipe
from ornstein.recipes.table import TableRecipe
from ornstein.recipes.text import TextRecipe

FORMAT = 1
HEADER, WEIGHTS, METRICS, CARD, MANIFEST, SOURCES = (
    "model.json", "model.safetensors", "metrics.json", "card.md", "manifest.parquet", "sources.safetensors"
)  # fmt: skip
PIPELINE = "pipeline"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LARGEST_HEADER = 4 << 20  # bytes

DtypeName = Literal["float32", "bfloat16"]
StoredName = Literal["float32", "bfloat16", "float16"]


class Origin(Config):
    """Pictures of one style under one licence: what an attribution licence asks to name.

    `pictures` counts all of them, `trained` those the model learned from; the others are held out to measure it.
    """

    style: str
    holder: str
    licence: str
    source: str
    pictures: int
    trained: int


class Data(Config):
    """What a model learned from: root hash of the manifest, pictures by split and by origin."""

    root: str
    pictures: int
    splits: dict[str, int]
    origins: tuple[Origin, ...]


class Forgotten(Config):
    """Pictures that were taken out of manifest and index, though the weights have learned from them.

    Attributes:
        what: the holder or the id that was asked for. day: of it, as 2026-08-02. pictures: that it was about.
        root: hash of the manifest before.
    """

    what: str
    day: str
    pictures: int
    root: str


class Facts(Config):
    """What ``model.json`` says.

    Attributes:
        format: of the bundle. ornstein: version that wrote it. name: of the model.
        recipe: resolved. parameters: number of weights. dtype: they are stored in; computing widens them.
        encoder: sha256 of the text encoder's weights; None for a model of classes.
        files: sha256 by file name. data: None where it was not told. training: what it cost.
        forgotten: what a training to come must leave out; where there is any, the weights want retraining.
    """

    format: int
    ornstein: str
    name: str
    recipe: Recipe
    parameters: int
    dtype: StoredName
    encoder: str | None
    files: dict[str, str]
    data: Data | None = None
    forgotten: tuple[Forgotten, ...] = ()
    training: dict[str, int | float | str | None] = Field(default_factory=dict)


class ImportedFacts(Facts):
    """What ``model.json`` of an imported model says: the same, but for the recipe."""

    recipe: ImportedRecipe


class TextFacts(Facts):
    """What ``model.json`` of a model of text says: the same, but for the recipe."""

    recipe: TextRecipe


class TableFacts(Facts):
    """What ``model.json`` of a table's model says: the same, but for the recipe."""

    recipe: TableRecipe


KINDS: dict[str, type[Facts]] = {"imported": ImportedFacts, "table": TableFacts, "text": TextFacts}
"""By the ``kind`` of their recipe; recipes of pictures from when there was one kind do not name it."""


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose header has been read.

    Attributes:
        folder: where it is. facts: its header.
        fingerprint: sha256 of all that a picture depends on; card, metrics and suggested settings may change.
    """

    folder: Path
    facts: Facts
    fingerprint: str

    @property
    def imported(self) -> bool:
        """Whether it is a published checkpoint, whose facts are ``ImportedFacts``."""
        return isinstance(self.facts, ImportedFacts)

    @classmethod
    def open(cls, folder: Path, *, fresh: bool = False) -> Bundle:
        """Read the header and check every file's hash; a large file untouched since it was last read counts as checked.

        Args:
            folder: the bundle.
            fresh: read large files again, too.

        Raises:
            OrnsteinError: not a bundle, a newer format, an unknown key, a missing or altered file.
        """
        values = _read_header(folder)
        try:
            facts = read_facts(values)
        except UsageError as error:
            raise OrnsteinError(f"{folder / HEADER}: {error}") from error
        _check_files(folder, facts, fresh)
        return cls(folder, facts, _fingerprint(facts))

    def weights(self) -> dict[str, Tensor]:
        """The weights in float32.

        Raises:
            OrnsteinError: unreadable, or not finite.
        """
        from safetensors.torch import load_file

        path = self.folder / WEIGHTS
        try:
            tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
        except Exception as error:  # safetensors raises its own types
            raise OrnsteinError(f"{path} cannot be read: {error}") from error
        refuse_non_finite(tensors, str(path))
        return tensors

    def metrics(self) -> dict[str, Any]:
        """What was measured; empty where nothing was. Raises OrnsteinError."""
        return _read_json(self.folder / METRICS)


def read_facts(values: Mapping[str, Any]) -> Facts:
    """The header of plain values. Raises UsageError."""
    recipe = values.get("recipe")
    kind = recipe.get("kind") if isinstance(recipe, dict) else None
    return parse(KINDS.get(kind, Facts) if isinstance(kind, str) else Facts, values)


def _read_header(folder: Path) -> dict[str, Any]:
    values = _read_json(folder / HEADER)
    version = values.get("format")
    if not isinstance(version, int):
        raise OrnsteinError(f"{folder / HEADER} has no format number: it is no ornstein bundle")
    if version > FORMAT:
        raise OrnsteinError(
            f"{folder} has format {version}; this version reads up to {FORMAT}: update ornstein"
        )
    return values


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_HEADER:
            raise OrnsteinError(f"{path} is larger than any file of its kind: do not trust this bundle")
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OrnsteinError(f"{path.parent} is not a bundle: it has no {path.name}") from error
    except OSError as error:
        raise OrnsteinError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise OrnsteinError(f"{path} is not readable JSON ({error})") from error
    if not isinstance(values, dict):
        raise OrnsteinError(f"{path} is not what ornstein wrote: a mapping is expected")
    return values


def _fingerprint(facts: Facts) -> str:
    """Hash what a picture depends on besides its own request: how the network is built and asked, and its weights.

    Choices left at their defaults do not count, so that a bundle keeps its fingerprint when recipes learn new ones.
    The default of a choice that counts must therefore never change.
    """
    weights: Any = facts.files.get(WEIGHTS)
    if isinstance(facts, ImportedFacts):  # weights, configs and tokenizers: what lies in subfolders
        weights = {name: digest for name, digest in facts.files.items() if name.count("/") > 1}
    key = json.dumps([*facts.recipe.identity, weights, facts.encoder], sort_keys=True)
    return hashlib.sha256(key.encode()).hexdigest()


def _check_files(folder: Path, facts: Facts, fresh: bool) -> None:
    imported = isinstance(facts, ImportedFacts)
    needed = {METRICS, CARD} | ({f"{PIPELINE}/model_index.json"} if imported else {WEIGHTS})
    if missing := sorted(needed - set(facts.files)):
        raise OrnsteinError(f"{folder / HEADER} lists no {', '.join(missing)}: the bundle is incomplete")
    for name, expected in facts.files.items():
        if name not in (WEIGHTS, METRICS, CARD, MANIFEST, SOURCES) and not (imported and _in_pipeline(name)):
            raise OrnsteinError(f"{folder / HEADER} lists an unknown file {name!r}: do not trust it")
        file = folder / name
        if not file.is_file():
            raise OrnsteinError(f"{file} is missing: fetch or save the bundle again")
        if (found := sha256(file, fresh=fresh)) != expected:
            raise OrnsteinError(f"{file} was altered: its sha256 is {found[:12]}…, not {expected[:12]}…")


def _in_pipeline(name: str) -> bool:
    top, *inner = name.split("/")
    return top == PIPELINE and 1 <= len(inner) <= 2 and not any(part in ("", ".", "..") for part in inner)


def refuse_non_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raise OrnsteinError, naming the first, where weights are NaN or infinite."""
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise OrnsteinError(f"{where}: the weight {name} is not finite (NaN or infinity)")
