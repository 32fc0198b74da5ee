"""Damaged and forged bundles: one line that names what is wrong, before anything runs."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ornstein.errors import OrnsteinError
from ornstein.model import Model

Weights = dict[str, torch.Tensor]


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    """A bundle to damage."""
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change model.json."""
    values = json.loads((folder / "model.json").read_text())
    change(values)
    (folder / "model.json").write_text(json.dumps(values))


def forge(folder: Path, change: Callable[[Weights], object]) -> None:
    """Change the weights and write their new hash, as someone would who means harm."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)
    rehash(folder, "model.safetensors")


def rehash(folder: Path, name: str) -> None:
    """Write the file's present hash into the header."""
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    edit(folder, lambda values: values["files"].update({name: digest}))


def refused(folder: Path) -> str:
    """The message that loading ends with."""
    with pytest.raises(OrnsteinError) as caught:
        Model.load(folder)
    assert caught.value.exit_code == 1
    return str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "card.md", "metrics.json", "manifest.parquet"])
def test_one_changed_byte(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    assert f"{name} was altered" in refused(copy)


@pytest.mark.parametrize("name", ["model.safetensors", "metrics.json", "manifest.parquet"])
def test_a_missing_file(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert f"{name} is missing" in refused(copy)


def test_no_header_and_no_bundle(copy: Path, tmp_path: Path) -> None:
    (copy / "model.json").unlink()
    assert "is not a bundle: it has no model.json" in refused(copy)
    assert "no model 'nowhere-at-all'" in refused(Path("nowhere-at-all"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not readable JSON"),
        ("[1, 2]", "a mapping is expected"),
        ("[" * 100_000, "not readable JSON"),
        ("{}", "no format number"),
        ('{"format": 2}', "has format 2; this version reads up to 1: update ornstein"),
        ('{"format": 1}', "Field required"),
        ('{"format": NaN}', "no format number"),
    ],
)
def test_a_header_that_says_nothing(copy: Path, text: str, message: str) -> None:
    (copy / "model.json").write_text(text)
    assert message in refused(copy)


def test_a_header_of_another_encoding(copy: Path) -> None:
    (copy / "model.json").write_bytes(b"\xff\xfe\x00{")
    assert "not readable JSON" in refused(copy)


def test_a_header_larger_than_any(copy: Path) -> None:
    (copy / "model.json").write_text(" " * (5 << 20))
    assert "larger than any file of its kind" in refused(copy)


def test_unknown_keys_are_named(copy: Path) -> None:
    edit(copy, lambda values: values["recipe"]["sampling"].update(stepz=3))
    assert "unknown key 'recipe.sampling.stepz'; did you mean 'steps'?" in refused(copy)
    edit(copy, lambda values: values.update(hook="import os"))
    assert "unknown key" in refused(copy)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "run.py"])
def test_only_our_own_files_are_looked_at(copy: Path, name: str) -> None:
    edit(copy, lambda values: values["files"].update({name: "0" * 64}))
    assert "lists an unknown file" in refused(copy)


def test_weights_must_be_hashed(copy: Path) -> None:
    edit(copy, lambda values: values["files"].pop("model.safetensors"))
    assert "lists no model.safetensors" in refused(copy)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite(copy: Path, value: float) -> None:
    forge(copy, lambda tensors: tensors["embedder.null"].__setitem__(5, value))
    assert "the weight embedder.null is not finite" in refused(copy)


def test_weights_of_another_network(copy: Path) -> None:
    forge(copy, lambda tensors: tensors.pop("embedder.null"))
    assert "lacks the weight embedder.null (1 missing)" in refused(copy)
    forge(copy, lambda tensors: tensors.update({"embedder.null": torch.zeros(7)}))
    assert "the weight embedder.null has the shape (7,), not (64,)" in refused(copy)
    forge(copy, lambda tensors: tensors.update({"embedder.null": torch.zeros(64), "extra": torch.zeros(1)}))
    assert "holds the unknown weight extra" in refused(copy)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("transformer", "width", 1 << 40),
        ("transformer", "width", -8),
        ("transformer", "depth", 1 << 40),
        ("transformer", "heads", 0),
        ("transformer", "axes", 9),
        ("", "patch", 0),
        ("", "smooth", -1),
        ("", "bottleneck", 1 << 50),
    ],
)
def test_a_forged_shape_allocates_nothing(copy: Path, part: str, key: str, value: int) -> None:
    def change(values: dict[str, Any]) -> None:
        network = values["recipe"]["network"]
        (network[part] if part else network)[key] = value

    edit(copy, change)
    assert str(copy) in refused(copy)


def test_truncated_weights_with_a_matching_hash(copy: Path) -> None:
    data = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(data[: len(data) // 2])
    rehash(copy, "model.safetensors")
    assert "cannot be read" in refused(copy)


def test_a_pickle_is_not_opened(copy: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    (copy / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    rehash(copy, "model.safetensors")
    assert "cannot be read" in refused(copy)
    assert not (tmp_path / "ran").exists()


def test_another_text_encoder(copy: Path) -> None:
    edit(copy, lambda values: values.update(encoder="ab" * 32))
    assert "needs another text encoder" in refused(copy)
