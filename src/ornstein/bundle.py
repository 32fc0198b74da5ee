"""The bundle: a model as a folder of plain files, every one hashed, nothing ever unpickled.

- ``model.json``: format, recipe, hashes of the other files, origins of the data, cost of the training
- ``model.safetensors``: weights
- ``metrics.json``: what was measured
- ``card.md``: the same for people
- ``manifest.parquet``: one row for every picture, trained on or held out, where the data is known
- ``pipeline/``: of an imported model, in place of ``model.safetensors``: the files of its folder
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from ornstein import __version__
from ornstein.card import card_text
from ornstein.config import Config, changes, parse
from ornstein.data.atomic import link_or_copy, new_folder
from ornstein.data.manifest import TRAIN
from ornstein.errors import OrnsteinError, UsageError
from ornstein.hashes import sha256
from ornstein.recipes.imported import ImportedRecipe
from ornstein.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ornstein.data.manifest import Row

FORMAT = 1
HEADER, WEIGHTS, METRICS, CARD, MANIFEST = (
    "model.json", "model.safetensors", "metrics.json", "card.md", "manifest.parquet"
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


class Facts(Config):
    """What ``model.json`` says.

    Attributes:
        format: of the bundle. ornstein: version that wrote it. name: of the model.
        recipe: resolved. parameters: number of weights. dtype: they are stored in; computing widens them.
        encoder: sha256 of the text encoder's weights; None for a model of classes.
        files: sha256 by file name. data: None where it was not told. training: what it cost.
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
    training: dict[str, int | float | str | None] = Field(default_factory=dict)


class ImportedFacts(Facts):
    """What ``model.json`` of an imported model says: the same, but for the recipe."""

    recipe: ImportedRecipe


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
            facts = _facts(values)
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
        _refuse_non_finite(tensors, str(path))
        return tensors

    def metrics(self) -> dict[str, Any]:
        """What was measured; empty where nothing was. Raises OrnsteinError."""
        return _read_json(self.folder / METRICS)


def save(
    folder: Path,
    recipe: Recipe,
    tensors: Mapping[str, Tensor],
    *,
    dtype: DtypeName,
    encoder: str | None,
    data: Data | None,
    manifest: Sequence[Row] | Path | None,
    metrics: Mapping[str, Any],
    training: Mapping[str, Any],
) -> Bundle:
    """Write a bundle whole or not at all, and open it.

    Args:
        folder: must not exist.
        recipe: resolved.
        tensors: the weights by name.
        dtype: that the weights are stored in.
        encoder: sha256 of the text encoder's weights, None for a model of classes.
        data: what `manifest` says, where it is a file that is already known; else None.
        manifest: rows, or a manifest file.
        metrics: what was measured: plain finite values, nested as you like.
        training: what it cost: ``seen``, ``seconds``, ``flops``.

    Raises:
        UsageError: the folder exists, or metrics are not plain finite JSON. OrnsteinError: weights that are not
            finite, or a disk that refuses.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists already: save to a new folder")
    _refuse_non_finite(tensors, "the model")
    measured = _as_json(metrics)
    with new_folder(folder) as part:
        _write_weights(tensors, DTYPES[dtype], part / WEIGHTS)
        data = _write_manifest(manifest, data, part / MANIFEST)
        values = {
            "format": FORMAT, "ornstein": __version__, "name": recipe.name,
            "recipe": recipe.model_dump(mode="json"),
            "parameters": sum(tensor.numel() for tensor in tensors.values()), "dtype": dtype, "encoder": encoder,
            "files": {}, "data": data and data.model_dump(mode="json"), "training": dict(training),
        }  # fmt: skip
        _finish(part, values, metrics, measured)
    return Bundle.open(folder)


def save_imported(
    folder: Path,
    recipe: ImportedRecipe,
    files: Mapping[str, Path | bytes],
    check: Callable[[Path], int],
    *,
    dtype: StoredName,
    metrics: Mapping[str, Any],
) -> Bundle:
    """Write the bundle of an imported model whole or not at all, and open it.

    Args:
        folder: must not exist.
        recipe: of the model.
        files: of its pipeline, by path in the pipeline's folder; linked where the file system can, else copied.
        check: looks at the pipeline's folder as it is to lie, and returns the number of its network's weights.
        dtype: they are stored in.
        metrics: what was measured: plain finite values.

    Raises:
        UsageError: the folder exists, or metrics are not plain finite JSON. OrnsteinError: a disk that refuses.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists already: choose another name or folder")
    measured = _as_json(metrics)
    with new_folder(folder) as part:
        for name, file in files.items():
            target = part / PIPELINE / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file) if isinstance(file, bytes) else link_or_copy(file, target)
        values = {
            "format": FORMAT, "ornstein": __version__, "name": recipe.name, "recipe": recipe.model_dump(mode="json"),
            "parameters": check(part / PIPELINE), "dtype": dtype, "encoder": None, "files": {},
        }  # fmt: skip
        _finish(part, values, metrics, measured)
    return Bundle.open(folder)


def with_metrics(bundle: Bundle, metrics: Mapping[str, Any], sampling: Mapping[str, Any]) -> Bundle:
    """Put measurements, and settings to suggest, into a bundle that exists; its weights are the same file.

    Args:
        bundle: where.
        metrics: take the place of what was there: plain finite values.
        sampling: changes of the recipe's sampling section.

    Raises:
        UsageError: metrics or settings that cannot be. OrnsteinError: the disk refuses.
    """
    text = _as_json(metrics)
    values = bundle.facts.model_dump(mode="json")
    values["recipe"]["sampling"] |= sampling
    with new_folder(bundle.folder, force=True) as part:
        for name in bundle.facts.files.keys() - {METRICS, CARD}:
            link_or_copy(bundle.folder / name, part / name)
        _finish(part, values, metrics, text)
    return Bundle.open(bundle.folder)


def _finish(part: Path, values: dict[str, Any], metrics: Mapping[str, Any], measured: str) -> None:
    """Write measurements, card and header beside weights and manifest."""
    facts = _facts(values)
    (part / METRICS).write_text(measured, encoding="utf-8")
    (part / CARD).write_text(card_text(facts, metrics), encoding="utf-8")
    files = sorted(file for file in part.rglob("*") if file.is_file())
    values["files"] = {file.relative_to(part).as_posix(): sha256(file) for file in files}
    (part / HEADER).write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")


def _facts(values: Mapping[str, Any]) -> Facts:
    recipe = values.get("recipe")
    imported = isinstance(recipe, dict) and recipe.get("kind") == "imported"
    return parse(ImportedFacts if imported else Facts, values)


def _as_json(metrics: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(metrics), indent=1, allow_nan=False, ensure_ascii=False)
    except (ValueError, TypeError) as error:
        raise UsageError(f"metrics must be plain finite values: {error}") from error


def origins(rows: Iterable[Row]) -> tuple[Origin, ...]:
    """Count rows by style, holder and licence; the source is what their sources have in common."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.style, row.holder, row.licence), []).append(row)
    return tuple(
        Origin(
            style=style, holder=holder, licence=licence, source=_common([row.source for row in group]),
            pictures=len(group), trained=sum(row.split == TRAIN for row in group),
        )
        for (style, holder, licence), group in sorted(groups.items())
    )  # fmt: skip


def _common(sources: list[str]) -> str:
    start = os.path.commonprefix(sources)  # noqa: RUF071 - by character is meant: "package version file"
    if any(source != start for source in sources):  # cut back to a whole word
        start = start[: max(start.rfind(mark) for mark in " :/") + 1]
    return start.rstrip(" :/")


def _write_weights(tensors: Mapping[str, Tensor], dtype: torch.dtype, path: Path) -> None:
    from safetensors.torch import save  # save_file would make a file that only its owner can read

    path.write_bytes(
        save({name: value.detach().to("cpu", dtype).contiguous() for name, value in tensors.items()})
    )


def _write_manifest(manifest: Sequence[Row] | Path | None, data: Data | None, path: Path) -> Data | None:
    """Write or copy the manifest; return what it says."""
    if manifest is None:
        return None
    if isinstance(manifest, Path) and data is not None:
        shutil.copyfile(manifest, path)
        return data
    from ornstein.data import manifest as table

    rows = table.read(manifest) if isinstance(manifest, Path) else manifest
    table.write(rows, path)
    splits = dict(Counter(row.split for row in rows))
    return Data(root=table.root_hash(rows), pictures=len(rows), splits=splits, origins=origins(rows))


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
    recipe = facts.recipe
    asked = [changes(part) for part in (recipe.condition, recipe.codec, recipe.network, recipe.process)]
    grid = [changes(recipe.sampling.grid), recipe.sampling.interval]
    weights: Any = facts.files.get(WEIGHTS)
    if isinstance(facts, ImportedFacts):  # weights, configs and tokenizers: what lies in subfolders
        weights = {name: digest for name, digest in facts.files.items() if name.count("/") > 1}
    key = json.dumps([asked, grid, weights, facts.encoder], sort_keys=True)
    return hashlib.sha256(key.encode()).hexdigest()


def _check_files(folder: Path, facts: Facts, fresh: bool) -> None:
    imported = isinstance(facts, ImportedFacts)
    needed = {METRICS, CARD} | ({f"{PIPELINE}/model_index.json"} if imported else {WEIGHTS})
    if missing := sorted(needed - set(facts.files)):
        raise OrnsteinError(f"{folder / HEADER} lists no {', '.join(missing)}: the bundle is incomplete")
    for name, expected in facts.files.items():
        if name not in (WEIGHTS, METRICS, CARD, MANIFEST) and not (imported and _in_pipeline(name)):
            raise OrnsteinError(f"{folder / HEADER} lists an unknown file {name!r}: do not trust it")
        file = folder / name
        if not file.is_file():
            raise OrnsteinError(f"{file} is missing: fetch or save the bundle again")
        if (found := sha256(file, fresh=fresh)) != expected:
            raise OrnsteinError(f"{file} was altered: its sha256 is {found[:12]}…, not {expected[:12]}…")


def _in_pipeline(name: str) -> bool:
    top, *inner = name.split("/")
    return top == PIPELINE and 1 <= len(inner) <= 2 and not any(part in ("", ".", "..") for part in inner)


def _refuse_non_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise OrnsteinError(f"{where}: the weight {name} is not finite (NaN or infinity)")
