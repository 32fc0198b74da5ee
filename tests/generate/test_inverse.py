"""Pictures to noise and back, and their bits: exact on Gaussian data, close on a trained model, else refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from ornstein.denoise.exact import GaussianDenoiser
from ornstein.errors import UsageError
from ornstein.inverse import (
    BOTH_WAYS,
    bits_of,
    encoded,
    from_noise,
    inversion_level,
    invert,
    rising,
    rounding_level,
    tightest_level,
    trained_levels,
)
from ornstein.model import Model
from ornstein.process.times import LogitNormal, UniformTime
from ornstein.recipes.recipe import Stage
from tests.common import slope
from tests.small import class_recipe, random_model

MEAN, DEVIATION = 0.2, 0.6


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model of grey pictures whose numbers are independent, N(0.2, 0.6^2), and whose denoiser knows it."""
    model = Model.from_recipe(class_recipe())
    path = model.recipe.process.path
    denoiser = GaussianDenoiser(path, torch.tensor(MEAN), torch.tensor(DEVIATION))
    monkeypatch.setattr(model, "denoiser", lambda network=None, dtype=None: denoiser)
    return model


@pytest.fixture
def drawn() -> np.ndarray:
    """Pictures of those numbers, uint8 (3, 28, 28, 1)."""
    x = MEAN + DEVIATION * np.random.default_rng(0).standard_normal((3, 28, 28, 1))
    return ((x + 1) * 127.5).round().clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def fashion() -> Model:
    return Model.load("fashion")


@pytest.fixture(scope="module")
def clothes(fashion: Model) -> tuple[list[str], np.ndarray]:
    names = ["coat", "bag", "ankle boot"]
    return names, np.stack(
        [made.array for made in fashion.generate(names, [1, 2, 3], steps=8, sampler="dpmpp-2m")]
    )


def off(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean square difference in bytes."""
    return float(np.sqrt(np.square(a.astype(float) - b).mean()))


@pytest.mark.parametrize(("sampler", "order"), [("heun", 2), ("dpmpp-2s", 2), ("ddim", 1)])
def test_the_noise_of_gaussian_data_is_what_the_flow_says(
    exact: Model, drawn: np.ndarray, sampler: str, order: int
) -> None:
    path = exact.recipe.process.path
    ends = rising(path, 1, inversion_level(exact.recipe))
    denoiser: Any = exact.denoiser()
    start = encoded(exact, drawn).double() * path(ends[0]).alpha
    wanted = denoiser.solution(start, ends[:1], ends[1:]) / path(ends[1]).scale

    def error(steps: int) -> float:
        return float((invert(exact, drawn, steps=steps, sampler=sampler) - wanted).abs().max())

    assert slope(error, (32, 64)) == pytest.approx(order, abs=0.15)
    assert set(BOTH_WAYS) == {"heun", "dpmpp-2s", "ddim"}


def test_gaussian_data_and_back(exact: Model, drawn: np.ndarray) -> None:
    assert off(from_noise(exact, invert(exact, drawn)), drawn) < 0.1


def test_bits_of_gaussian_data_are_those_of_the_best_code(exact: Model, drawn: np.ndarray) -> None:
    """Beside a code whose probabilities of bytes are exact; Jensen's inequality costs little where bytes are narrow."""
    path, level = exact.recipe.process.path, rounding_level(exact.recipe)
    c = path(rising(path, 1, level)[0])
    law = Normal(MEAN, (DEVIATION**2 + (c.sigma / c.alpha) ** 2).sqrt())
    x, half = encoded(exact, drawn).double(), 0.5 / 127.5
    best = -(law.cdf(x + half) - law.cdf(x - half)).log2().flatten(1).mean(1)
    found = bits_of(exact, drawn, steps=100, draws=4, level=level)
    torch.testing.assert_close(found.pictures, best, rtol=0, atol=5e-3)
    assert bool(((found.pictures - best).abs() < 5 * found.errors + 4e-3).all())
    assert found.each.shape == (3, 4)


def test_the_tightest_level_is_the_one_nearest_to_data_for_an_exact_model(
    exact: Model, drawn: np.ndarray
) -> None:
    """With less noise left there is less to pay for, as long as guesses are right."""
    assert tightest_level(exact, drawn, steps=40) == pytest.approx(rounding_level(exact.recipe))


def test_a_trained_models_way_there_and_back(fashion: Model, clothes: tuple[list[str], np.ndarray]) -> None:
    """Of third order by Heun's method: twice the steps leave about an eighth, where steps are not too few."""
    names, pictures = clothes

    def lost(steps: int) -> float:
        noise = invert(fashion, pictures, names, steps=steps)
        return off(from_noise(fashion, noise, names, steps=steps), pictures)

    few, many = lost(6), lost(12)
    assert many < min(few / 3, 3)


def test_noise_finds_its_way_home(fashion: Model) -> None:
    """A picture made of known noise is led back to that noise, not to another's."""
    names, seeds = ["coat", "bag"], [5, 6]
    states = fashion.trajectory(
        names, seeds, steps=[8] * 2, guidance=[1.0] * 2, sampler="heun", negatives=[""] * 2, size=28
    )
    last = list(states)[-1].x
    assert isinstance(last, torch.Tensor)
    found = invert(fashion, fashion.recipe.codec.decode(last), names, steps=8).flatten(1)
    known = fashion.start(seeds, 28, [torch.tensor(1.0)] * 2).flatten(1)
    alike = torch.corrcoef(torch.cat([found, known]))[:2, 2:]
    assert float(alike.diagonal().min()) > 0.5
    assert float((alike - alike.diagonal().diag()).abs().max()) < 0.2


def test_a_picture_alone_and_among_others(fashion: Model, clothes: tuple[list[str], np.ndarray]) -> None:
    names, pictures = clothes
    together = bits_of(fashion, pictures, names, steps=2, draws=2, seed=3, level=8.0)
    alone = bits_of(fashion, pictures[2:3], names[2], steps=2, draws=2, seed=5, level=8.0)
    torch.testing.assert_close(together.each[2:3], alone.each, rtol=1e-4, atol=1e-4)
    noise = invert(fashion, pictures, names, steps=2)
    torch.testing.assert_close(
        invert(fashion, pictures[1:2], names[1], steps=2), noise[1:2], rtol=1e-4, atol=1e-4
    )


def test_levels_of_training_are_those_of_its_law() -> None:
    recipe = class_recipe()
    law = LogitNormal(mean=0.5, deviation=0.8)
    one = recipe.model_copy(update={"objective": recipe.objective.model_copy(update={"times": law})})
    levels = trained_levels(one)
    assert float(levels.mean()) == pytest.approx(-1.0, abs=0.01)
    assert float(levels.std()) == pytest.approx(1.6, abs=0.01)
    assert inversion_level(one) == pytest.approx(
        -1.0 + 3.09 * 1.6, abs=0.15
    )  # the 99.9% point of a normal law
    stages = (Stage(size=28, share=3), Stage(size=28, share=1, times=UniformTime()))
    two = one.model_copy(update={"training": one.training.model_copy(update={"stages": stages})})
    assert float((trained_levels(two) > 6).double().mean()) == pytest.approx(0.25 * 0.047, abs=0.002)
    assert inversion_level(two) <= rounding_level(two)


Way = Callable[..., Any]


@pytest.mark.parametrize("way", [invert, bits_of])
def test_what_cannot_be_inverted(way: Way) -> None:
    model = random_model(class_recipe())
    good = np.zeros((2, 28, 28, 1), np.uint8)
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (good[..., 0], {}, r"pictures are uint8 \(B, H, W, C\)"),
        (good.astype(np.float32), {}, "not float32"),
        (good[:0], {}, r"of shape \(0, 28"),
        (
            np.zeros((1, 28, 28, 4), np.uint8),
            {},
            "squares of 1 channels, in multiples of 4, not 28 x 28 with 4",
        ),
        (np.zeros((1, 30, 30, 1), np.uint8), {}, "not 30 x 30 with 1"),
        (np.zeros((1, 28, 32, 1), np.uint8), {}, "not 28 x 32 with 1"),
        (good, {"prompts": ["coat"] * 3}, "2 pictures need one prompt or 2, not 3"),
        (good, {"prompts": "coats"}, "did you mean 'coat'"),
        (good, {"prompts": "x" * 3000}, "the limit is 2000"),
        (good, {"steps": 0}, "steps must be 1 to 1000, not 0"),
    ]
    for pictures, arguments, message in cases:
        with pytest.raises(UsageError, match=message):
            way(model, pictures, **arguments)


def test_noise_that_leads_nowhere() -> None:
    model = random_model(class_recipe())
    good = np.zeros((1, 28, 28, 1), np.uint8)
    with pytest.raises(UsageError, match="ddpm draws noise on the way .*: heun, dpmpp-2s, ddim$"):
        invert(model, good, sampler="ddpm")
    with pytest.raises(
        UsageError, match="dpmpp-2m is made for the way to data alone .*: heun, dpmpp-2s, ddim$"
    ):
        invert(model, good, sampler="dpmpp-2m")
    with pytest.raises(UsageError, match="guidance must be 0 to 30, not -1"):
        invert(model, good, guidance=-1)
    with pytest.raises(UsageError, match="draws must be 1 to 1000, not 0"):
        bits_of(model, good, draws=0)
    with pytest.raises(UsageError, match=r"noise of shape \(1, 28, 28, 4\)"):
        from_noise(model, torch.zeros(1, 28, 28, 4))
    with pytest.raises(UsageError, match="not finite"):
        from_noise(model, torch.full((1, 28, 28, 1), torch.nan))
