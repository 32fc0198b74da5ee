"""A classifier learns classes, is kept beside its pack, and tells good training data from bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.evaluate import classifier as module
from ornstein.evaluate.classifier import ClassifierConfig, codes, reference_classifier
from ornstein.evaluate.utility import utility
from tests.train.conftest import NAMES, make_pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(make_pack(tmp_path_factory.mktemp("classifier") / "discs", count=150, held=60))


def test_it_learns_the_classes_of_a_pack_and_is_trained_once(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    judge = reference_classifier(pack, lambda done, of: seen.append(done))
    assert seen[-1] == 4992  # 39 batches of 128
    assert judge.facts["held-out accuracy"] > 0.98
    rows = pack.indices("held-out")
    shown = [pack.captions(int(row))[0] for row in rows]
    assert judge.right(pack.pictures(rows), shown).mean() > 0.98
    wrong = [NAMES[(NAMES.index(name) + 1) % 3] for name in shown]
    assert judge.right(pack.pictures(rows), wrong).mean() < 0.02
    monkeypatch.setattr(module, "train_classifier", lambda *_, **__: pytest.fail("trained again"))
    again = reference_classifier(pack)
    assert again.key == judge.key
    assert torch.equal(again(pack.pictures(rows)), judge(pack.pictures(rows)))
    assert again(pack.pictures(rows)).shape == (60, again.width)


def test_a_damaged_classifier_is_told(pack: Pack, tmp_path: Path) -> None:
    copy = Pack.open(make_pack(tmp_path / "discs", count=60))
    reference_classifier(copy)
    weights = copy.folder / "classifier" / "classifier.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(OrnsteinError, match="altered"):
        reference_classifier(copy)


def test_names_that_are_no_classes_are_refused() -> None:
    assert codes(["blue", "red"], NAMES).tolist() == [2, 0]
    with pytest.raises(OrnsteinError, match="'black' is none of the classes red, green, blue"):
        codes(["red", "black"], NAMES)


def test_good_training_data_teaches_and_bad_data_does_not(pack: Pack) -> None:
    config = ClassifierConfig(names=tuple(pack.concept_names), size=16, channels=4, widths=(8, 16))
    train, held = pack.indices("train"), pack.indices("held-out")
    real, unseen = (
        (pack.pictures(train), pack.concepts[train]),
        (pack.pictures(held), pack.concepts[held]),
    )
    mislabelled = real[0], (real[1] + 1) % 3
    good = {f.key: f for f in utility(real, real, unseen, config)}
    assert good["tstr"].generated.value > 0.95
    assert good["tstr"].real is not None
    assert good["tstr"].real.value == good["tstr"].generated.value  # the same pictures, seeds and steps
    bad = {f.key: f.generated.value for f in utility(mislabelled, real, unseen, config)}
    assert bad["tstr"] < 0.1
    assert bad["tstr"] < bad["tstr-both"] < 0.95


def test_a_class_without_pictures_is_named(pack: Pack) -> None:
    config = ClassifierConfig(names=tuple(pack.concept_names), size=16, channels=4, widths=(8, 16))
    pictures, labels = pack.pictures(np.arange(6)), np.array([0, 1, 0, 1, 0, 1])
    with pytest.raises(OrnsteinError, match="no picture of red to train on"):
        list(utility((pictures, labels), (pictures, labels), (pictures, labels), config))
