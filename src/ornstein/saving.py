"""Write bundles, whole or not at all; and change what stands beside the weights of one that exists."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ornstein import __version__
from ornstein.bundle import (
    CARD,
    DTYPES,
    FORMAT,
    HEADER,
    MANIFEST,
    METRICS,
    PIPELINE,
    SOURCES,
    WEIGHTS,
    Bundle,
    Data,
    DtypeName,
    Forgotten,
    Origin,
    StoredName,
    read_facts,
    refuse_non_finite,
)
from ornstein.card import card_text
from ornstein.data.atomic import link_or_copy, new_folder
from ornstein.data.manifest import TRAIN
from ornstein.errors import UsageError
from ornstein.hashes import sha256
from ornstein.recipes.imported import ImportedRecipe
from ornstein.recipes.recipe import TrainedRecipe

if TYPE_CHECKING:
    from ornstein.data.manifest import Row


def save(
    folder: Path,
    recipe: TrainedRecipe,
    tensors: Mapping[str, Tensor],
    *,
    dtype: StoredName,
    encoder: str | None,
    data: Data | None,
    manifest: Sequence[Row] | Path | None,
    metrics: Mapping[str, Any],
    training: Mapping[str, Any],
    sources: Path | None = None,
    forgotten: Sequence[Forgotten] = (),
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
        sources: file with the index of the manifest's pictures, where there is one.
        forgotten: what the manifest no longer tells of.

    Raises:
        UsageError: the folder exists, or metrics are not plain finite JSON. OrnsteinError: weights that are not
            finite, or a disk that refuses.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists already: save to a new folder")
    refuse_non_finite(tensors, "the model")
    measured = _as_json(metrics)
    with new_folder(folder) as part:
        _write_weights(tensors, DTYPES[dtype], part / WEIGHTS)
        data = _write_manifest(manifest, data, part / MANIFEST)
        if sources is not None:
            shutil.copyfile(sources, part / SOURCES)
        values = {
            "format": FORMAT, "ornstein": __version__, "name": recipe.name,
            "recipe": recipe.model_dump(mode="json"),
            "parameters": sum(tensor.numel() for tensor in tensors.values()), "dtype": dtype, "encoder": encoder,
            "files": {}, "data": data and data.model_dump(mode="json"), "training": dict(training),
            "forgotten": [one.model_dump(mode="json") for one in forgotten],
        }  # fmt: skip
        _finish(part, values, metrics, measured)
    return Bundle.open(folder)


def save_model(
    folder: Path,
    recipe: TrainedRecipe,
    tensors: Mapping[str, Tensor],
    old: Bundle | None,
    *,
    encoder: str | None,
    manifest: Sequence[Row] | str | Path | None,
    metrics: Mapping[str, Any] | None,
    training: Mapping[str, Any] | None,
    dtype: DtypeName | None,
) -> Bundle:
    """As ``save``; what is not given is taken over from the bundle that the model came from."""
    data, sources, forgotten = None, None, ()
    if manifest is None and old is not None and old.facts.data is not None:
        manifest, data, forgotten = old.folder / MANIFEST, old.facts.data, old.facts.forgotten
        sources = old.folder / SOURCES if SOURCES in old.facts.files else None
    return save(
        folder, recipe, tensors,
        dtype=dtype or (old.facts.dtype if old else "float32"), encoder=encoder, data=data,
        manifest=Path(manifest) if isinstance(manifest, str) else manifest,
        metrics=metrics if metrics is not None else old.metrics() if old else {},
        training=training if training is not None else old.facts.training if old else {},
        sources=sources, forgotten=forgotten,
    )  # fmt: skip


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
    measured, values = _as_json(metrics), bundle.facts.model_dump(mode="json")
    values["recipe"]["sampling"] |= sampling
    with _anew(bundle, METRICS, CARD) as part:
        _finish(part, values, metrics, measured)
    return Bundle.open(bundle.folder)


def with_sources(bundle: Bundle, sources: bytes) -> Bundle:
    """Put a copy descriptor and index (``guard.trace``) into a bundle that exists. Raises OrnsteinError."""
    metrics, values = bundle.metrics(), bundle.facts.model_dump(mode="json")
    with _anew(bundle, METRICS, CARD, SOURCES) as part:
        (part / SOURCES).write_bytes(sources)
        _finish(part, values, metrics, _as_json(metrics))
    return Bundle.open(bundle.folder)


def without(bundle: Bundle, rows: Sequence[Row], sources: bytes | None, forgotten: Forgotten) -> Bundle:
    """Leave some rows out of a bundle that exists, in manifest, counts and index at once.

    Args:
        bundle: where; it becomes the new one whole or stays as it was.
        rows: that are left.
        sources: the index without the others; None where there was none.
        forgotten: what the header is to tell of it.

    Raises:
        OrnsteinError: the disk refuses.
    """
    metrics, values = bundle.metrics(), bundle.facts.model_dump(mode="json")
    with _anew(bundle, METRICS, CARD, MANIFEST, SOURCES) as part:
        data = _write_manifest(rows, None, part / MANIFEST)
        assert data is not None
        if sources is not None:
            (part / SOURCES).write_bytes(sources)
        values["data"] = data.model_dump(mode="json")
        values["forgotten"].append(forgotten.model_dump(mode="json"))
        _finish(part, values, metrics, _as_json(metrics))
    return Bundle.open(bundle.folder)


@contextmanager
def _anew(bundle: Bundle, *names: str) -> Iterator[Path]:
    """A folder that takes the bundle's place in the end, with all its files but those that are to be written anew."""
    with new_folder(bundle.folder, force=True) as part:
        for name in bundle.facts.files.keys() - set(names):
            link_or_copy(bundle.folder / name, part / name)
        yield part


def _finish(part: Path, values: dict[str, Any], metrics: Mapping[str, Any], measured: str) -> None:
    """Write measurements, card and header beside weights and manifest."""
    facts = read_facts(values)
    (part / METRICS).write_text(measured, encoding="utf-8")
    (part / CARD).write_text(card_text(facts, metrics), encoding="utf-8")
    files = sorted(file for file in part.rglob("*") if file.is_file())
    values["files"] = {file.relative_to(part).as_posix(): sha256(file) for file in files}
    (part / HEADER).write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")


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
