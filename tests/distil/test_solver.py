"""Fitting lowers the distance to the fine sampler on noise it never saw, and what it finds is used and kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ornstein.bundle import Bundle
from ornstein.distil.prompts import prompts_of
from ornstein.distil.solver import Plan, Solver, examples, fit, with_fits
from ornstein.errors import OrnsteinError, UsageError
from ornstein.model import Model
from ornstein.sample.fitted import Fit
from tests.small import Command, class_recipe, random_model, text_recipe

PLAN = Plan(trajectories=32, iterations=40, fine=30)
SCALE = 1.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of classes with sample prompts."""
    recipe = class_recipe()
    training = recipe.training.model_copy(update={"prompts": ("coat", "bag")})
    made = random_model(recipe.model_copy(update={"training": training}))
    return made.save(tmp_path_factory.mktemp("fit") / "grey")


@pytest.fixture(scope="module")
def found(folder: Path) -> Fit:
    model = Model.load(folder)
    return fit(model, 4, examples(model, SCALE, PLAN), SCALE, PLAN)


@pytest.fixture(scope="module")
def fitted(folder: Path, found: Fit) -> Model:
    """The model with that fit in its bundle."""
    whole = folder.with_name("fitted")
    with_fits(Model.load(folder), [found], whole)
    return Model.load(whole)


def test_it_ends_nearer_to_the_fine_sampler_on_noise_it_never_saw(found: Fit) -> None:
    assert found.error < 0.8 * found.plain


def test_it_starts_as_the_line_through_two_guesses(folder: Path, found: Fit) -> None:
    model = Model.load(folder)
    known, solver = (
        examples(model, SCALE, PLAN),
        Solver(model.recipe.sampling.grid, 4, model.recipe.process.path),
    )
    with torch.no_grad():
        mine = solver(model.guided(model.denoiser()), known)
    measured = slice(len(known.noise) * 3 // 4, None)
    error = (mine - known.samples)[measured].square().mean().sqrt()
    assert float(error) == pytest.approx(found.plain, rel=1e-3)


def test_the_same_arguments_find_the_same_numbers(folder: Path) -> None:
    model, plan = Model.load(folder), Plan(trajectories=16, iterations=2, fine=8)
    first, second = (fit(model, 2, examples(model, SCALE, plan), SCALE, plan) for _ in range(2))
    assert first == second
    assert all(p.requires_grad for p in model.network.parameters())


def test_a_picture_of_as_many_steps_uses_it_unasked(fitted: Model, found: Fit) -> None:
    def sampler(**settings: object) -> str:
        return fitted.generate("bag", 1, **settings)[0].record.request.sampler

    assert sampler(steps=4) == found.name
    assert sampler(steps=4, guidance=3.0) == "dpmpp-2m"  # not what it was made for
    assert sampler(steps=5) == "dpmpp-2m"
    assert sampler(steps=4, sampler="ddim") == "ddim"
    assert sampler(steps=4, sampler="fitted", guidance=3.0) == found.name
    mixed = fitted.generate("bag", 1, 2, steps=[4, 5])
    assert [out.record.request.sampler for out in mixed] == [found.name, "dpmpp-2m"]


def test_its_pictures_are_reproduced_and_a_later_fit_does_not_change_them(
    fitted: Model, folder: Path, tmp_path: Path
) -> None:
    (made,) = fitted.generate("bag", 1, steps=4)
    assert np.array_equal(fitted.replay(made.record).array, made.array)
    with pytest.raises(
        OrnsteinError, match="no sampler 'fitted-.*' of 4 steps; make one with `ornstein fit`"
    ):
        Model.load(folder).replay(made.record)  # the same network, and so the same fingerprint


def test_fits_leave_the_fingerprint_alone(fitted: Model, folder: Path) -> None:
    assert fitted.bundle is not None
    assert fitted.bundle.fingerprint == Bundle.open(folder).fingerprint


def test_one_that_is_no_better_is_not_kept_and_a_better_one_takes_its_place(
    fitted: Model, found: Fit, tmp_path: Path
) -> None:
    worse = found.model_copy(update={"error": found.plain})
    newer = found.model_copy(update={"levels": tuple(level + 0.1 for level in found.levels)})
    kept = Model.load(with_fits(fitted, [worse], tmp_path / "worse")).recipe.sampling.fits
    assert kept == (found,)
    kept = Model.load(with_fits(Model.load(tmp_path / "worse"), [newer], tmp_path / "newer"))
    assert kept.recipe.sampling.fits == (newer,)


def test_the_command_writes_numbers_a_person_can_read(
    folder: Path, tmp_path: Path, ornstein: Command
) -> None:
    home = shutil.copytree(folder, tmp_path / "copy")
    said = ornstein("fit", home, "--evaluations", 3, "--iterations", 15, "--trajectories", 16, "--json")
    assert said.code == 0
    (numbers,) = json.loads(said.out)
    stored = json.loads((home / "model.json").read_text())["recipe"]["sampling"]["fits"]
    assert stored == [numbers] or numbers["error"] >= numbers["plain"]
    assert len(numbers["levels"]) == 3
    said = ornstein(
        "generate", "bag", "--model", home, "--steps", 3, "--seed", 1, "--out", tmp_path / "a.png"
    )
    assert said.code == 0


def test_prompts_of_a_file_take_the_place_of_the_models_own(folder: Path) -> None:
    model = Model.load(folder)
    assert list(prompts_of(model)) == ["coat", "bag"]
    assert prompts_of(model, ["ankle boot"]) == ["ankle boot"]
    with pytest.raises(UsageError, match="did you mean 'coat'"):
        prompts_of(model, ["coats"])
    plan = Plan(trajectories=2, batch=2, fine=2)
    boots, own = (examples(model, SCALE, plan, prompts=given) for given in (["ankle boot"], None))
    torch.testing.assert_close(boots.noise, own.noise)
    assert not torch.equal(boots.samples, own.samples)


def test_a_model_that_tells_no_prompts_says_how_to_name_them(grey: Path) -> None:
    assert list(prompts_of(Model.load(grey))) == ["coat", "bag", "ankle boot"]  # classes are prompts
    with pytest.raises(OrnsteinError, match="neither manifest nor sample prompts.*with --prompts"):
        prompts_of(random_model(text_recipe()))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--evaluations", 1], 2, "evaluations must be 2 to 64, not 1"),
        (["--evaluations", 65], 2, "evaluations must be 2 to 64, not 65"),
        (["--guidance", 99], 2, "guidance must be 0 to 30"),
        (["--trajectories", 3], 2, "at least 16 trajectories"),
        (["--iterations", 0], 2, "one iteration"),
        (["--out", "."], 2, "exists already"),
        (["--prompts", "nowhere"], 1, "cannot read nowhere: no such file"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_runs(
    grey: Path, ornstein: Command, arguments: list[object], code: int, message: str
) -> None:
    said = ornstein("fit", grey, *arguments)
    assert said.code == code
    assert message in said.err
    assert len(said.err.strip().splitlines()) == 1
