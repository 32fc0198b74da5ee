"""``ornstein scorer``, ``evaluate`` and ``compare`` from the command line, on a model trained in the test."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ornstein.evaluate import evaluation
from ornstein.recipes.recipe import Stage
from tests.small import Command
from tests.train.conftest import make_pack, tiny_recipe, trainer_of


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("evaluate-command")
    pack = make_pack(home / "discs", count=500, held=200)
    trainer = trainer_of(tiny_recipe(pack, samples=2000, stages=(Stage(size=16, batch=32),)), home / "run")
    list(trainer.steps())
    trainer.write_bundle(home / "bundle")
    return home


def test_too_few_samples_say_how_many_are_needed(ornstein: Command, home: Path, tmp_path: Path) -> None:
    result = ornstein("evaluate", home / "bundle", "--samples", "20", "--out", tmp_path / "out")
    assert result.code == 2
    assert "needs at least 1,281 samples, not 20" in result.err
    assert "training the classifier" not in result.err  # it is said before work is done for nothing


def test_more_samples_than_unseen_pictures_are_refused(ornstein: Command, home: Path, tmp_path: Path) -> None:
    result = ornstein("evaluate", home / "bundle", "--out", tmp_path / "out")
    assert result.code == 2
    # two of the two hundred are the very picture of a training item: by their hashes they were seen
    assert "there are 198 unseen pictures" in result.err


def test_mistakes_are_one_line(ornstein: Command, home: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("evaluate", "emojy"), "did you mean 'emoji'"),
        (("evaluate", home / "bundle", "--against", tmp_path), "is not a pack"),
        (("evaluate", home / "bundle", "--guidance", "nan"), "guidance"),
        (("compare", home / "bundle", "--samples", "20"), "at least two models"),
        (("evaluate", home / "bundle", "--fail-if", "fdr is bad"), "like 'fdr>1.3'"),
        (("scorer", tmp_path), "is not a pack"),
        (("scorer", home / "discs", "--samples", "0"), "at least 1"),
    ):
        result = ornstein(*arguments)
        assert result.code in (1, 2)
        assert words in result.err.splitlines()[-1]
    assert not json.loads((home / "bundle" / "metrics.json").read_text())


def test_a_missing_extra_is_told_before_any_work(
    ornstein: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *_: None if name == "jinja2" else found(name)
    )
    for verb in (("evaluate", home / "bundle"), ("compare", home / "bundle", "emoji")):
        said = ornstein(*verb)
        assert said.code == 1
        assert said.err == (
            "ornstein: measuring a model needs packages that are not installed: pip install 'ornstein[eval]'\n"
        )


class Pixels:
    """Features for which few samples are enough."""

    name, key, width = "Pixels", "pixels", 4

    def __call__(self, pictures: np.ndarray, /) -> torch.Tensor:
        return torch.from_numpy(pictures.reshape(len(pictures), -1, 4).mean(1))


@pytest.mark.slow
def test_models_are_compared_in_a_table_and_rules_hold_of_copying_too(
    ornstein: Command, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "find_network", lambda name: Pixels())
    words = ("compare", home / "bundle", home / "bundle", "--samples", "150", "--out", tmp_path)
    said = ornstein(*words, "--fail-if", "flagged>0.5")
    assert said.code == 0
    figures = [line.split()[0] for line in said.out.splitlines()[1:-1]]
    assert {"fdr", "kid", "flagged", "authentic"} <= set(figures)
    assert "better" not in said.out  # than itself
    assert (tmp_path / "compare.html").is_file()
    said = ornstein(*words, "--json", "--fail-if", "flagged<0.5")
    assert said.code == 1
    assert "flagged in Classifier is" in said.err
    assert {row["figure"] for row in json.loads(said.out)} == set(figures)
