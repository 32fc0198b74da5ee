"""``ornstein explain``: what it measures follows from what the sampler does, and its page stands alone."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ornstein.denoise.exact import GaussianDenoiser
from ornstein.evaluate.estimate import Estimate
from ornstein.explain import draw, measure, page
from ornstein.model import Model
from ornstein.process.times import KarrasGrid, UniformGrid
from ornstein.recipes.recipe import SamplingSection
from ornstein.request import Request, requests
from tests.common import real
from tests.small import Command


def asked(
    prompt: str = "cat", steps: int = 5, guidance: float = 2.5, sampler: str = "ddim", size: int = 32
) -> Request:
    settings = {"steps": steps, "guidance": guidance, "sampler": sampler, "size": size}
    (request,) = requests(prompt, 1, 3, "", SamplingSection(), **settings)
    return request


def errors(value: float = 0.1, held_out: bool = True) -> measure.Errors:
    each = tuple(Estimate(value, value / 2, value * 2, 4) for _ in measure.LEVELS)
    return measure.Errors(measure.LEVELS, each, 4, "held-out pictures of <discs>", held_out)


@pytest.mark.parametrize("sampler", ["ddim", "heun", "dpmpp-2m"])
def test_the_way_ends_in_the_picture_that_generate_makes(model: Model, sampler: str) -> None:
    (made,) = model.generate("cat", 3, steps=5, guidance=2.5, sampler=sampler)
    way = measure.way(model, asked(sampler=sampler))
    np.testing.assert_array_equal(way.guesses[-1], made.array)
    assert len(way.noisy) == len(way.guesses) == len(way.steps) + 1 == 6
    assert [step.s for step in way.steps[:-1]] == [step.t for step in way.steps[1:]]
    assert way.steps[-1].s == 0


def test_the_last_step_of_ddim_takes_the_guess_itself(model: Model) -> None:
    last = measure.way(model, asked()).steps[-1]
    assert last.left == last.change == pytest.approx(0, abs=1e-2)


def test_guidance_adds_its_share_of_what_the_prompt_says(model: Model) -> None:
    """x_- + w (x_+ - x_-) is (w - 1) times the difference away from x_+, within the interval and nowhere else."""
    way = measure.way(model, asked(guidance=2.5, steps=8))
    low, high = model.recipe.sampling.interval
    acts = [low <= step.t <= high for step in way.steps]
    assert True in acts
    assert False in acts
    for step, inside in zip(way.steps, acts, strict=True):
        assert step.prompt > 0
        assert step.push == pytest.approx(1.5 * step.prompt if inside else 0, rel=0.05, abs=1e-3)
    assert all(step.push == 0 for step in measure.way(model, asked(guidance=1, steps=3)).steps)


def test_errors_are_those_of_the_denoiser(grey: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Gaussian's guess errs by its pull to the mean and by the noise it lets through, both known."""
    model, mean, deviation = Model.load(grey), 0.3, 0.5
    path, codec = model.recipe.process.path, model.recipe.codec
    shown = np.random.default_rng(0).integers(0, 256, (12, 28, 28, 1), dtype=np.uint8)
    monkeypatch.setattr(measure, "_held_out", lambda model, seed: (shown, ["coat"] * 12, "noise"))
    denoiser = GaussianDenoiser(path, torch.tensor(mean), torch.tensor(deviation))
    monkeypatch.setattr(model, "denoiser", lambda: denoiser)
    found = measure.errors(model, asked("coat", size=28))
    x = codec.encode(shown).double()
    for level, error in zip(found.levels, found.errors, strict=True):
        c = path(path.time(real(level)))
        gain = c.alpha * deviation**2 / (c.alpha**2 * deviation**2 + c.sigma**2)
        pulled = ((gain * c.alpha - 1) * (x - mean)).square().mean()
        assert error.value == pytest.approx(float(pulled + (gain * c.sigma) ** 2), rel=0.06)
    assert found.held_out


def test_without_data_the_models_own_pictures_are_measured_and_said_to_be(
    grey: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "PICTURES", 2)
    found = measure.errors(Model.load(grey), asked("coat", size=28))
    assert not found.held_out
    assert found.source.startswith("pictures the model made itself")
    assert "does not tell what it learned from" in found.source


def test_where_guesses_become_useless() -> None:
    """Beside the guess that leaves the noise in, whose error falls with logsnr."""
    assert measure.blind(0.0) == 0.5
    assert errors(0.1).useless == 3  # sigmoid(-2) is 0.12, sigmoid(-3) 0.05
    assert errors(1e-9).useless is None
    assert errors(2.0).useless == measure.LEVELS[0]


def test_half_way_is_where_guesses_stay_near(model: Model) -> None:
    way = measure.way(model, asked(steps=4))
    left = [10.0, 4.0, 6.0, 1.0]  # near, away again, and near for good
    steps = tuple(replace(step, left=far) for step, far in zip(way.steps, left, strict=True))
    assert replace(way, steps=steps).half == 4
    assert replace(way, steps=steps[:1]).half == 2  # only the finished picture is


class Seen(HTMLParser):
    """What a page has and asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if tag == "img":
            self.images.append(values)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]


@pytest.mark.parametrize("grid", [KarrasGrid(), UniformGrid()], ids=["karras", "uniform"])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_page_needs_nothing_else_and_says_all(
    model: Model, tmp_path: Path, grid: KarrasGrid | UniformGrid, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = model.recipe.sampling.model_copy(update={"grid": grid})
    monkeypatch.setattr(model, "recipe", model.recipe.model_copy(update={"sampling": section}))
    prompt = 'a <script>alert("x")</script> & cat'
    way = measure.way(model, asked(prompt, steps=steps))
    page.write(model, way, errors(held_out=False), tmp_path / "out", "ornstein explain")
    text = (tmp_path / "out" / page.PAGE).read_text()
    seen = Seen()
    seen.feed(text)
    assert len(seen.images) == 2 * (steps + 1) + 2
    assert all(image["alt"] for image in seen.images)
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in seen.addresses)
    assert "url(http" not in text
    assert seen.tags.count("script") == 1  # the page's own
    assert text.count('role="img" aria-label=') == 5 == seen.tags.count("svg")
    assert "nan" not in re.sub(r"base64,[^\"]+", "", text).lower()
    numbers = json.loads((tmp_path / "out" / page.NUMBERS).read_text())
    assert numbers["request"]["prompt"] == prompt
    assert [step["t"] for step in numbers["steps"]] == [step.t for step in way.steps]


def test_the_animation_shows_every_step_once(model: Model) -> None:
    way = measure.way(model, asked(steps=3))
    with Image.open(io.BytesIO(draw.animation(way))) as found:
        assert getattr(found, "n_frames", 1) == 4
        found.seek(3)
        last = np.asarray(found.convert("RGB"))
    guess = last[: draw.SIDE, draw.SIDE + draw.GAP :]
    premultiplied = way.guesses[-1].astype(int)
    on_white = (premultiplied[..., :3] + 255 - premultiplied[..., 3:]).repeat(8, 0).repeat(8, 1)
    assert np.abs(guess - on_white).max() <= 1


def test_a_folder_in_use_is_refused_and_only_its_own_is_replaced(
    ornstein: Command, grey: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "PICTURES", 2)
    out = tmp_path / "out"
    command = ("explain", grey, "coat", "--steps", 2, "--out", out)
    assert ornstein(*command).code == 0
    assert {file.name for file in out.iterdir()} == {page.PAGE, page.ANIMATION, page.NUMBERS}
    said = ornstein(*command)
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert "exists already" in said.err
    (out / "mine.txt").write_text("keep")
    assert "holds other things" in ornstein(*command, "--force").err
    assert (out / "mine.txt").read_text() == "keep"
    (out / "mine.txt").unlink()
    assert ornstein(*command, "--force", "--seed", 1).code == 0
    assert json.loads((out / page.NUMBERS).read_text())["request"]["seed"] == 1


def test_mistakes_are_one_line_and_leave_nothing(ornstein: Command, grey: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cases = [
        (("fashon", "coat"), 1, "did you mean 'fashion'"),
        ((grey, "coats"), 2, "did you mean 'coat'"),
        ((grey, ""), 2, "the prompt is empty"),
        ((grey, "coat", "--sampler", "dddm"), 2, "unknown sampler"),
        ((grey, "coat", "--steps", 0), 2, "steps must be 1 to 1000"),
        ((grey, "coat", "--seed", -1), 2, "seed must be 0 to"),
    ]
    for arguments, code, message in cases:
        said = ornstein("explain", *arguments, "--out", out)
        assert said.code == code, said
        assert message in said.err.splitlines()[-1]
        assert "Traceback" not in said.err
    assert list(tmp_path.iterdir()) == []
