"""Samplers fitted to imported models: gradients pass through the published network, and what is found is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ornstein.distil.prompts import prompts_of
from ornstein.distil.solver import Plan, Solver, _differentiable, examples, fit, with_fits
from ornstein.errors import OrnsteinError, UsageError
from ornstein.imported import ImportedModel
from ornstein.interop.importing import import_pipeline
from ornstein.model import Model
from tests.interop.conftest import Both
from tests.small import Command

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:this model was trained at")
PLAN = Plan(trajectories=8, iterations=10, batch=4, fine=16)
PROMPTS = ["a cat", "a dog", "a red hat"]


def small(pair: Both, folder: Path) -> Model:
    """The same pipeline, with small pictures for its default: FLUX is made for 1024 pixels, here 256."""
    return Model.load(import_pipeline(str(pair.folder), folder, settings=["sampling.size=32"]).folder)


@pytest.mark.parametrize("family", ["stable_diffusion", "stable_diffusion_2", "flux", "unconditional"])
def test_gradients_through_a_published_network_are_those_of_differences(
    both: Callable[..., Both], family: str, tmp_path: Path
) -> None:
    """With levels that are told as whole timesteps, a path that ends in pure noise, and a scale that is told."""
    model: Any = small(both(family), tmp_path / "bundle")
    model.dtype = torch.float32
    given = PROMPTS if model.recipe.condition.kind == "prompts" else None
    known = examples(model, 1.5, Plan(trajectories=2, batch=2, fine=4), prompts=given)
    known = known.some(torch.arange(2))  # as ``fit`` picks them: no tensor of these is bound to inference
    solver, denoiser = Solver(model.grid(), 3, model.recipe.process.path), _differentiable(model)
    with torch.no_grad():
        solver.gaps += 0.05  # off the timesteps at which the loss has steps

    def loss() -> torch.Tensor:
        return (solver(denoiser, known).double() - known.samples.double()).square().mean()

    loss().backward()
    for numbers, place, width in ((solver.gaps, (1,), 2e-4), (solver.weights, (1, 0), 5e-3)):
        assert numbers.grad is not None
        with torch.no_grad():
            numbers[place] += width
            above = loss()
            numbers[place] -= 2 * width
            below = loss()
            numbers[place] += width
        expected = float((above - below) / (2 * width))
        assert float(numbers.grad[place]) == pytest.approx(expected, rel=0.1, abs=1e-5)


@pytest.mark.parametrize("family", ["stable_diffusion_3", "dit"])
def test_a_fit_is_kept_in_the_bundle_and_used_unasked(
    both: Callable[..., Both], family: str, tmp_path: Path
) -> None:
    model = Model.load(both(family).model.save(tmp_path / "bundle"))
    fingerprint, section = model.bundle and model.bundle.fingerprint, model.recipe.sampling
    given = PROMPTS if model.recipe.condition.kind == "prompts" else None
    known = examples(model, section.guidance, PLAN, prompts=given)
    found = fit(model, 4, known, section.guidance, PLAN)
    assert found.error < found.plain
    with_fits(model, [found], None)
    again = Model.load(tmp_path / "bundle")
    assert again.bundle
    assert again.bundle.fingerprint == fingerprint
    prompt = {"stable_diffusion_3": "a cat", "dit": "goldfish"}.get(family, "anything")
    made = again.generate(prompt, 3, steps=4)[0]
    assert made.record.request.sampler == found.name
    assert again.generate(prompt, 3, steps=5)[0].record.request.sampler == section.sampler
    np.testing.assert_array_equal(again.replay(made.record).array, made.array)
    plain = again.generate(prompt, 3, steps=4, sampler="dpmpp-2m")[0]
    assert not np.array_equal(plain.array, made.array)


def test_errors_are_in_deviations_of_what_the_model_makes(both: Callable[..., Both]) -> None:
    """Latents of random networks deviate by hundreds; an error of 1 is still as much as the data itself."""
    model = both("pixart").model
    known = examples(model, 1.0, PLAN, prompts=PROMPTS)
    assert known.unit == pytest.approx(float(known.samples.square().mean().sqrt()))
    assert known.unit > 2
    found = fit(model, 4, known, 1.0, Plan(trajectories=8, iterations=1, batch=4, fine=16))
    solver = Solver(model.grid(), 4, model.recipe.process.path)
    with torch.inference_mode():
        apart = (solver(model.guided(model.denoiser()), known) - known.samples)[6:].square().mean().sqrt()
    assert found.plain == pytest.approx(float(apart) / known.unit, rel=0.02)


def test_the_fine_sampler_ends_in_clean_data_where_the_scheduler_does_not(both: Callable[..., Both]) -> None:
    """Stable Diffusion's last step leaves the noise of timestep 0: no sampler that goes to data could end there."""
    model = both("stable_diffusion").model
    assert float(model.plan("dpmpp-2m", [16])[1][0][-1]) > 0
    known = examples(model, 1.0, PLAN, prompts=PROMPTS)
    fine = Solver(model.grid(), 16, model.recipe.process.path)
    with torch.inference_mode():
        same = fine(model.guided(model.denoiser()), known)
    assert float((same - known.samples).square().mean().sqrt()) < 0.02 * known.unit


def test_a_grid_that_depends_on_the_size_keeps_its_fits_and_every_methods_own_times(
    both: Callable[..., Both], tmp_path: Path
) -> None:
    model = small(both("flux"), tmp_path / "bundle")
    assert isinstance(model, ImportedModel)
    assert not torch.equal(model.plan("ddim", [4], 32)[1][0], model.plan("ddim", [4], 64)[1][0])
    torch.testing.assert_close(model.plan("ddim", [4])[1][0], model.plan("ddim", [4], 32)[1][0])
    assert (model.plan("restart", [12])[1][0].diff() > 0).any()  # it goes back into noise
    solver = Solver(model.grid(), 4, model.recipe.process.path)
    numbers = {**solver.numbers(), "guidance": 3.5, "error": 0.1, "plain": 0.2}
    from ornstein.sample.fitted import Fit

    made = Fit.model_validate(numbers)
    with_fits(model, [made], None)
    method, (times,) = Model.load(tmp_path / "bundle").plan(made.name, [4], 64)
    torch.testing.assert_close(times, made.times(model.recipe.process.path))
    assert method.summary == "fitted to this network"


def test_the_command_reads_prompts_from_a_file(
    both: Callable[..., Both], ornstein: Command, tmp_path: Path
) -> None:
    folder = both("pixart").model.save(tmp_path / "bundle")
    file = tmp_path / "prompts.txt"
    file.write_bytes("\ufeffa cat\r\n\r\n  ein   Märchen \n".encode())
    few = ("--evaluations", 3, "--iterations", 1, "--trajectories", 16, "--guidance", 1)
    said = ornstein("fit", folder, "--prompts", file, *few)
    assert said.code == 0, said
    assert "3 evaluations" in said.out
    assert ornstein("fit", both("unconditional").model.save(tmp_path / "none"), *few).code == 0


def test_what_a_model_is_asked_for(both: Callable[..., Both]) -> None:
    dit = both("dit").model
    classes = prompts_of(dit)
    assert len(classes) == 1000
    assert dit.encoder.encode(classes).tensors[0].tolist() == list(range(1000))
    assert prompts_of(both("unconditional").model) == [""]
    with pytest.raises(UsageError, match="nothing steers"):
        prompts_of(both("unconditional").model, PROMPTS)
    with pytest.raises(UsageError, match="'goldfisch' is none; did you mean 'goldfish'"):
        prompts_of(dit, ["tench", "goldfisch"])
    with pytest.raises(OrnsteinError, match="was imported and tells no prompts: name a file of them"):
        prompts_of(both("stable_diffusion").model)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        (b"", "holds no prompt"),
        (b" \n\n\t\n", "holds no prompt"),
        (b"\x89PNG\r\n\xff\xfe", "is no text in UTF-8"),
        (b"a cat\na \x00 dog\n", "line 2: the prompt holds '\\x00'"),
        (b"a" * 3000, "line 1: the prompt has 3000 characters"),
    ],
)
def test_a_file_of_prompts_that_is_none_is_one_line(
    both: Callable[..., Both], ornstein: Command, tmp_path: Path, content: bytes | None, said: str
) -> None:
    bundle, file = both("stable_diffusion").model.bundle, tmp_path / "prompts.txt"
    assert bundle
    if content is not None:
        file.write_bytes(content)
    found = ornstein("fit", bundle.folder, "--prompts", file)
    assert found.code in (1, 2)
    assert said in found.err
    assert len(found.err.strip().splitlines()) == 1
    folder = ornstein("fit", bundle.folder, "--prompts", tmp_path)
    assert "no such file" in folder.err
