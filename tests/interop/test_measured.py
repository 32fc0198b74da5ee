"""An imported model is measured against a pack, and nothing is said that nobody knows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ornstein.bundle import Bundle
from ornstein.data.pack import Pack
from ornstein.errors import UsageError
from ornstein.evaluate import evaluation
from ornstein.evaluate import sweep as sweeps
from ornstein.evaluate.compare import compare
from ornstein.evaluate.evaluation import Evaluator, Plan
from ornstein.evaluate.report import render
from ornstein.evaluate.samples import Settings
from ornstein.evaluate.scorer import ScorerConfig
from ornstein.evaluate.scorer_training import train_scorer
from ornstein.model import Model
from tests.cli.test_evaluate_command import Pixels
from tests.interop.conftest import Both
from tests.small import Command, random_model
from tests.train.conftest import make_pack, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
COUNT = 20


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "find_network", lambda name: Pixels())
    monkeypatch.setattr(sweeps, "find_network", lambda name: Pixels())


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Transparent pictures, of which a third are held out."""
    return make_pack(tmp_path_factory.mktemp("measured") / "discs", count=90, held=30)


@pytest.fixture(scope="module")
def opaque(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Opaque pictures with a scorer of their own."""
    names = ("goldfish", "tench")
    pack = make_pack(tmp_path_factory.mktemp("measured") / "fish", 90, held=30, names=names, opaque=True)
    small = ScorerConfig(size=16, widths=(8, 16), space=16, length=8)
    train_scorer(Pack.open(pack), pack / "scorer", samples=96, batch=24, config=small)
    return pack


def plan_of(model: Model) -> Plan:
    return Plan(COUNT, Settings.of(model, steps=2), networks=("pixels",))


def test_without_a_pack_it_says_what_to_name(
    both: Callable[..., Both], ornstein: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = both("stable_diffusion").model.bundle
    assert bundle
    for words in (("evaluate", bundle.folder), ("compare", bundle.folder, bundle.folder)):
        said = ornstein(*words)
        assert (said.code, said.out) == (2, "")
        assert "does not tell what it learned from: name the pack" in said.err
        assert "--against" in said.err
        assert len(said.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_command_measures_and_claims_no_more_than_is_known(
    both: Callable[..., Both], ornstein: Command, tmp_path: Path, discs: Path
) -> None:
    pair = both("stable_diffusion")
    folder = pair.model.save(tmp_path / "copy")
    before = Bundle.open(folder).fingerprint
    words = (
        "evaluate",
        folder,
        "--against",
        discs,
        "--samples",
        COUNT,
        "--steps",
        2,
        "--out",
        tmp_path / "out",
    )
    said = ornstein(*words)
    assert said.code == 0, said
    assert "discs has transparent pictures and the model makes none" in said.err
    assert "Flagged as likenesses" in said.out
    assert "of which it may have seen any" in said.out
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["trained on"] == "unknown"
    assert metrics["reference"] == {"pack": "discs", "pictures": 60}
    assert metrics["held against"]["held-out"] == 30
    assert set(metrics["figures"]) == {"Pixels"}  # no scorer sees these, and no composition is tried
    assert metrics["composition"] == {}
    assert metrics["cost of a thousand"]["evaluations"] == 2 * 2 * 1000
    report = (tmp_path / "out/report.html").read_text()
    for claim in ("trained on", "training picture", "unseen", "copies"):
        assert claim not in report.replace("likeness to them is no proof of a copy", "")
    assert "distance to reference pictures by that of held-out ones" in report
    after = Bundle.open(folder)
    assert after.fingerprint == before
    card = (folder / "card.md").read_text()
    assert "- trained on: unknown" in card
    assert "| fdr | Pixels |" in card
    assert "Not recorded in the folder; its publisher may say." in card


def test_pictures_are_seen_at_one_size_and_on_white(
    both: Callable[..., Both], tmp_path: Path, discs: Path
) -> None:
    """The model makes 32 pixels, the pack holds 16: sharper ones would be told apart by that alone."""
    model = both("stable_diffusion").model
    measured = Evaluator(model, tmp_path, discs)
    rows, prompts, seeds = measured.asked(plan_of(model))
    assert set(prompts) <= {"red", "green", "blue"}
    made = measured.draw(Settings.of(model, steps=2), prompts, seeds)
    whole = model.generate(prompts[:1], seeds[:1], steps=2)[0].array
    assert made.shape == (COUNT, 16, 16, 4)
    np.testing.assert_allclose(made[0, ..., :3], whole.reshape(16, 2, 16, 2, 3).mean((1, 3)), atol=0.51)
    real, stored = measured.real.pictures(measured.real.held, rows, 16), Pack.open(discs).pictures(rows)
    assert (real[..., 3] == 255).all()
    assert (real[stored[..., 3] == 0] == 255).all()
    np.testing.assert_array_equal(real[stored[..., 3] == 255], stored[stored[..., 3] == 255])


def test_the_packs_own_splits_are_the_reference_as_they_are_for_a_model_of_ours(
    both: Callable[..., Both], tmp_path: Path, discs: Path
) -> None:
    """Compared with a model that was trained on the pack, it is asked for the same pictures, by the same distances."""
    ours = random_model(tiny_recipe(discs))
    ours.save(tmp_path / "ours", manifest=Pack.open(discs).rows())
    theirs = both("unconditional").model
    first, second = (Evaluator(model, tmp_path / "cache", discs) for model in (ours, theirs))
    np.testing.assert_array_equal(first.real.learned, second.real.learned)
    np.testing.assert_array_equal(first.real.unseen, second.real.unseen)
    first.by_class = False  # the classifier of the pack needs more pictures
    found = [each.run(plan_of(each.model)) for each in (second, first)]
    rows = {row.figure.key: row for row in compare(found)}
    assert rows["fdr"].figure.title.startswith("FDr: distance to reference pictures")
    assert rows["fd"].values[0].value > 0
    with pytest.raises(UsageError, match="distances to different pictures do not compare"):
        compare([found[0], replace(found[1], known="another")])


def test_nothing_is_said_of_prompts_where_nothing_steers(
    both: Callable[..., Both], tmp_path: Path, opaque: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = both("unconditional").model
    measured = Evaluator(model, tmp_path, opaque)
    assert measured.scorer is None
    found = measured.run(plan_of(model))
    assert {figure.features for figure in found.figures} == {"Pixels"}
    text = render(found, "again")
    assert "nothing steers this model" in text
    assert "goldfish</figcaption>" not in text
    monkeypatch.setattr(sweeps, "EVALUATIONS", (2,))
    monkeypatch.setattr(sweeps, "SAMPLERS", ("ddim", "dpmpp-2m"))
    swept = sweeps.sweep(measured, plan_of(model))
    assert [point.settings.guidance for point in swept.guided] == [1.0]  # no other can differ
    assert swept.recommended.sampler in ("ddim", "dpmpp-2m")


def test_the_scorer_of_opaque_pictures_judges_prompts(
    both: Callable[..., Both], tmp_path: Path, opaque: Path
) -> None:
    model = both("pixart").model
    measured = Evaluator(model, tmp_path, opaque)
    found = measured.run(plan_of(model))
    keys = {figure.key for figure in found.figures}
    assert {"alignment", "prompt-r1"} <= keys
    assert "background" not in keys  # nothing here has any
    assert "Scorer" in found.copying


def test_a_model_of_classes_is_asked_for_its_own(
    both: Callable[..., Both], ornstein: Command, tmp_path: Path, opaque: Path, discs: Path
) -> None:
    model = both("dit").model
    assert model.bundle
    said = ornstein(
        "evaluate", model.bundle.folder, "--against", discs, "--samples", COUNT, "--out", tmp_path / "out"
    )
    assert said.code == 2
    last = said.err.strip().splitlines()[-1]
    assert "the captions of discs must be classes: this model knows classes, and 'blue' is none" in last
    measured = Evaluator(model, tmp_path, opaque)
    assert measured.by_class
    _, prompts, _ = measured.asked(plan_of(model))
    assert set(prompts) == {"goldfish", "tench"}


def test_packs_that_cannot_be_a_reference(both: Callable[..., Both], tmp_path: Path) -> None:
    model = both("stable_diffusion").model
    whole = make_pack(tmp_path / "whole", count=12)
    with pytest.raises(UsageError, match="discs has no held-out pictures"):
        Evaluator(model, tmp_path, whole)
    grey = shutil.copytree(whole, tmp_path / "grey")
    header = json.loads((grey / "pack.json").read_text())
    (grey / "pack.json").write_text(json.dumps({**header, "channels": 1}))
    with pytest.raises(UsageError, match="has 1 channels"):
        Evaluator(model, tmp_path, grey)
