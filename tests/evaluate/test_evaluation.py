"""One evaluation from bundle to report: it measures, it resumes, and it refuses what cannot be compared."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ornstein.bundle import Bundle
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError, UsageError
from ornstein.evaluate import sweep as sweeps
from ornstein.evaluate.compare import broken, compare
from ornstein.evaluate.estimate import Estimate
from ornstein.evaluate.evaluation import Evaluation, Evaluator, Plan
from ornstein.evaluate.fidelity import Figure
from ornstein.evaluate.report import render, render_comparison, write_report
from ornstein.evaluate.samples import Settings
from ornstein.evaluate.scorer import ScorerConfig
from ornstein.evaluate.scorer_training import train_scorer
from ornstein.evaluate.scorers import find_scorer
from ornstein.model import Model
from ornstein.recipes.recipe import Stage
from tests.train.conftest import make_pack, tiny_recipe, trainer_of

SMALL = ScorerConfig(size=16, widths=(8, 16), space=16, length=8)
PLAN = Plan(samples=40, settings=Settings(4, 1.5, "ddim", 16), networks=())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack that holds pictures out, its scorer, and a bundle trained on the rest."""
    home = tmp_path_factory.mktemp("evaluate")
    pack = make_pack(home / "discs", count=160, held=60)
    recipe = tiny_recipe(pack, samples=12_000, stages=(Stage(size=16, batch=32),), ema=(1000, 4000))
    trainer = trainer_of(recipe, home / "run")
    list(trainer.steps())
    trainer.write_bundle(home / "bundle")
    train_scorer(Pack.open(pack), pack / "scorer", samples=2400, batch=24, config=SMALL)
    return home


@pytest.fixture
def evaluator(home: Path, tmp_path: Path) -> Evaluator:
    """One that has made nothing yet."""
    return Evaluator(Model.load(home / "bundle"), tmp_path)


@pytest.fixture(scope="module")
def found(home: Path) -> Evaluation:
    """The evaluation by the plan."""
    return Evaluator(Model.load(home / "bundle"), home / "cache").run(PLAN)


def figure(found: Evaluation, key: str) -> tuple[float, float]:
    (one,) = [f for f in found.figures if f.key == key]
    return one.generated.value, one.real.value if one.real else float("nan")


@pytest.mark.slow
def test_an_evaluation_says_of_a_fair_model_that_it_is_fair(found: Evaluation, tmp_path: Path) -> None:
    assert set(found.copying) == {"Scorer"}
    assert figure(found, "fdr")[0] > 1
    made, real = figure(found, "alignment")
    assert 0.3 < made <= real + 0.05
    assert figure(found, "prompt-r1")[0] > 0.8  # it paints the colours it was trained to paint
    assert figure(found, "class")[0] > 0.8
    assert figure(found, "tstr")[0] > 0.8  # three colours can be learned from what it paints
    assert found.cost is not None
    assert found.cost.evaluations == pytest.approx(
        1000 * (4 + 3), rel=0.15
    )  # guided within (0.1, 0.95): not at t = 1
    write_report(found, tmp_path / "report.html", "ornstein evaluate <mine>")
    text = (tmp_path / "report.html").read_text()
    assert "ornstein evaluate &lt;mine&gt;" in text
    assert "http" not in text.replace("http://www.w3.org", "")  # nothing is fetched
    assert text.count("<img") == 2 * 40 + 2 * len(found.suspects)
    json.dumps(found.metrics(), allow_nan=False)


def test_pictures_that_lack_a_class_are_not_judged_as_training_data(evaluator: Evaluator) -> None:
    """Neither an error nor a figure about some classes: the rest of the evaluation goes on, and says why."""
    said: list[str] = []
    evaluator._tell = lambda what, done, of: said.append(what)
    real = evaluator.real
    red = real.held.concepts[real.unseen] == real.held.concept_names.index("red")
    evaluator.real = replace(real, unseen=real.unseen[~red])
    found = evaluator.run(replace(PLAN, samples=30))
    assert {"class", "alignment"} <= {figure.key for figure in found.figures}
    assert "tstr" not in {figure.key for figure in found.figures}
    assert "not judged as training data: no sample was asked to be red" in said


def test_a_second_run_makes_nothing_again(evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    _, prompts, seeds = evaluator.asked(PLAN)
    first = evaluator.draw(PLAN.settings, prompts, seeds)
    monkeypatch.setattr(Model, "generate", lambda *_, **__: pytest.fail("made again"))
    assert np.array_equal(evaluator.draw(PLAN.settings, prompts, seeds), first)
    with pytest.raises(pytest.fail.Exception):
        evaluator.draw(replace(PLAN.settings, steps=5), prompts, seeds)


def test_a_damaged_cache_file_is_made_again(evaluator: Evaluator) -> None:
    _, prompts, seeds = evaluator.asked(PLAN)
    first = evaluator.draw(PLAN.settings, prompts, seeds)
    (file,) = (evaluator.cache / "samples").iterdir()
    file.write_bytes(b"torn")
    assert np.array_equal(evaluator.draw(PLAN.settings, prompts, seeds), first)


def test_unseen_pictures_are_those_the_manifest_does_not_count_as_trained_on(evaluator: Evaluator) -> None:
    real = evaluator.real
    assert len(real.learned) == 100
    assert len(real.unseen) == 60
    assert set(real.held.splits[real.unseen]) == {"held-out"}


def test_the_training_set_is_not_called_held_out(home: Path, tmp_path: Path) -> None:
    pack = make_pack(tmp_path / "same", count=100)  # the very discs that were trained on
    with pytest.raises(UsageError, match="every picture of discs was trained on"):
        Evaluator(Model.load(home / "bundle"), tmp_path / "cache", pack)


def test_too_few_samples_and_too_many_are_refused_with_the_number_needed(evaluator: Evaluator) -> None:
    with pytest.raises(UsageError, match="at least 17 samples, not 16"):
        evaluator.run(replace(PLAN, samples=16))
    with pytest.raises(UsageError, match="60 unseen pictures"):
        evaluator.run(replace(PLAN, samples=61))


def test_a_model_that_tells_no_data_cannot_be_evaluated(home: Path, tmp_path: Path) -> None:
    model = Model.load(home / "bundle")
    model.bundle = None
    model.save(tmp_path / "silent")
    with pytest.raises(OrnsteinError, match="does not tell what it learned from"):
        Evaluator(Model.load(tmp_path / "silent"), tmp_path / "cache")


def test_a_scorer_of_other_data_is_not_used(home: Path, tmp_path: Path) -> None:
    pack = make_pack(tmp_path / "others", count=20, seed=1)
    shutil.copytree(home / "discs" / "scorer", pack / "scorer")
    assert find_scorer(Pack.open(pack)) is None
    assert find_scorer(Pack.open(home / "discs")) is not None


def test_a_model_beside_itself_does_not_differ_and_a_worse_one_is_worse(
    found: Evaluation, evaluator: Evaluator
) -> None:
    deaf = replace(PLAN, settings=replace(PLAN.settings, guidance=0.0))
    fair, poor = found, evaluator.run(deaf)
    assert {v for row in compare([fair, fair]) for v in row.verdicts} == {""}
    verdicts = {row.figure.key: row.verdicts for row in compare([fair, poor])}
    assert verdicts["alignment"] == verdicts["prompt-r1"] == ("worse",)
    assert verdicts["background"] == ("",)
    text = render_comparison([fair, poor], compare([fair, poor]), "again")
    assert text.count("<img") == 3 * 40
    with pytest.raises(UsageError, match="different pictures"):
        compare([fair, replace(fair, prompts=["other"])])


def test_where_real_is_best_nearer_to_it_is_better_from_either_side(found: Evaluation) -> None:
    def at(value: float) -> Evaluation:
        near = Estimate(value, value - 0.01, value + 0.01, 40)
        return replace(found, figures=[Figure("vendi", "", "", near, Estimate(0.5, 0.4, 0.6, 40), "real")])

    rows = compare([at(0.7), at(0.4), at(0.9), at(0.705)])
    assert next(row.verdicts for row in rows if row.figure.key == "vendi") == ("better", "worse", "")


def test_rules_fail_with_the_figure_and_unknown_ones_name_the_nearest(found: Evaluation) -> None:
    assert list(broken(["fdr<1e9", "alignment > 2"], found)) == [*broken(["fdr<1e9"], found)]
    assert next(broken(["fdr<1e9"], found)).startswith("fdr in Scorer is ")
    with pytest.raises(UsageError, match="did you mean 'coverage'"):
        list(broken(["coverag<1"], found))
    with pytest.raises(UsageError, match="like 'fdr>1.3'"):
        list(broken(["fdr is bad"], found))


def test_measurements_go_into_the_card_and_pictures_still_replay(
    found: Evaluation, home: Path, tmp_path: Path
) -> None:
    from ornstein.saving import with_metrics

    folder = tmp_path / "bundle"
    shutil.copytree(home / "bundle", folder)
    before = Model.load(folder)
    picture = before.generate("red", seeds=3)[0]
    after = with_metrics(Bundle.open(folder), found.metrics(), {"steps": 7, "guidance": 2.5})
    assert after.facts.recipe.sampling.steps == 7
    card = (folder / "card.md").read_text()
    assert "| fdr | Scorer |" in card
    again = Model.load(folder).replay(picture.record)
    assert np.array_equal(again.array, picture.array)
    assert render(found, "x").count("<table>") >= 3


def test_a_sweep_measures_every_setting_and_recommends_one_of_them(
    found: Evaluation, evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "GUIDANCE", (1.0, 2.0))
    monkeypatch.setattr(sweeps, "EVALUATIONS", (2, 6))
    monkeypatch.setattr(sweeps, "SAMPLERS", ("heun", "dpmpp-2m"))
    swept = sweeps.sweep(evaluator, replace(PLAN, samples=30))
    assert [point.settings.guidance for point in swept.guided] == [1.0, 2.0]
    assert len(swept.methods) == 2 * len(sweeps.SAMPLERS)
    # one step of Heun costs its two evaluations: equal cost is compared, not equal steps
    assert {point.evaluations for point in swept.methods} == {2, 6}
    by_cost = {n: [p.distance.value for p in swept.methods if p.evaluations == n] for n in (2, 6)}
    assert min(by_cost[6]) < min(by_cost[2])
    assert swept.recommended.guidance in (1.0, 2.0)
    assert swept.recommended.sampler in sweeps.SAMPLERS
    text = render(found, "ornstein evaluate mine --sweep", swept)
    assert text.count("<tr><td>dpmpp-2m</td>") == 2  # a row for each number of evaluations
    json.dumps(swept.facts(), allow_nan=False)
