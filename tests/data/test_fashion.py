"""Fashion-MNIST from files of the same layout."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from ornstein.config import override
from ornstein.data import fashion
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.recipes.fashion import fashion as fashion_recipe
from tests.train.conftest import trainer_of


def idx(path: Path, array: np.ndarray) -> None:
    header = bytes((0, 0, 8, array.ndim)) + b"".join(side.to_bytes(4, "big") for side in array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "idx"
    folder.mkdir()
    chance = np.random.default_rng(0)
    for part, count in {"train": 20, "t10k": 10}.items():
        idx(folder / f"{part}-images-idx3-ubyte.gz", chance.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8) % 10)
    return folder


def test_pictures_classes_and_splits(folder: Path, tmp_path: Path) -> None:
    pack = Pack.open(fashion.build(tmp_path / "out", folder=folder))
    images = fashion.read_idx(folder / "train-images-idx3-ubyte.gz", 3)
    train = pack.indices("train")
    assert np.array_equal(pack.pictures(train)[..., 0], images)
    assert [pack.concept_names[code] for code in pack.concepts[train]] == list(fashion.CLASSES) * 2
    assert len(pack.indices("held-out")) == 10
    assert (pack.size, pack.channels) == (28, 1)
    assert pack.captions(int(train[9])) == ("ankle boot", "grey picture of an ankle boot")
    assert pack.pictures(train[:3], 14).shape == (3, 14, 14, 1)


def test_the_recipe_trains_on_the_pack(folder: Path, tmp_path: Path) -> None:
    pack = fashion.build(tmp_path / "out", folder=folder)
    settings = ["training.samples=16", "network.transformer.depth=1", f"data.pack={pack}"]
    trainer = trainer_of(override(fashion_recipe(), settings), tmp_path / "run")
    assert [report.progress.seen for report in trainer.steps()] == [16]
    model = trainer.averaged_model()
    assert {out.array.shape for out in model.generate(fashion.CLASSES, seeds=1, steps=2)} == {(28, 28, 1)}


def test_absent_package_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(OrnsteinError, match="apt-get install dataset-fashion-mnist"):
        fashion.build(tmp_path / "out", folder=tmp_path / "nowhere")


@pytest.mark.parametrize("damage", ["cut", "missing", "not gzip", "wrong shape", "label 200"])
def test_damaged_files(folder: Path, tmp_path: Path, damage: str) -> None:
    images, labels = folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz"
    if damage == "cut":
        images.write_bytes(images.read_bytes()[:-100])
    elif damage == "missing":
        labels.unlink()
    elif damage == "not gzip":
        images.write_bytes(b"hello")
    elif damage == "wrong shape":
        idx(labels, np.zeros(3, dtype=np.uint8))
    else:
        idx(labels, np.full(20, 200, dtype=np.uint8))
    with pytest.raises(OrnsteinError, match="install"):
        fashion.build(tmp_path / "out", folder=folder)
    assert not (tmp_path / "out").exists()
