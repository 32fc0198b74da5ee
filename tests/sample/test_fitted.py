"""Fitted samplers are DDIM and DPM-Solver++(2M) for those methods' weights, and their numbers are checked."""

from __future__ import annotations

import pytest
import torch

from ornstein.config import parse
from ornstein.errors import UsageError
from ornstein.process.gaussian import Flow, Path
from ornstein.sample.fitted import DEPTH, Fit, weighted
from ornstein.sample.loop import sample
from ornstein.sample.registry import METHODS
from tests.common import PATHS, gaussian, normal, start

LEVELS = (-4.5, -3.5, -2.0, 0.5, 4.0)  # within every path


def fit(weights: list[list[float]], levels: tuple[float, ...] = LEVELS) -> Fit:
    rows = tuple(tuple(row[: min(k, DEPTH)]) for k, row in enumerate(weights))
    return Fit(levels=levels, weights=rows, guidance=1.0, error=0.0, plain=1.0)


def of_a_line() -> list[list[float]]:
    """DPM-Solver++(2M): half the step's length by the one's before; nothing at the ends."""
    steps = torch.tensor(LEVELS).diff().tolist()
    inner = [[steps[k] / (2 * steps[k - 1]), 0.0, 0.0] for k in range(1, len(steps))]
    return [[0.0] * DEPTH, *inner, [0.0] * DEPTH]


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize(("name", "weights"), [("ddim", [[0.0] * DEPTH] * 5), ("dpmpp-2m", of_a_line())])
def test_known_weights_give_known_methods(path: Path, name: str, weights: list[list[float]]) -> None:
    fitted = fit(weights)
    times, x = fitted.times(path), start(path, 3, 4)
    made = [
        sample(method, gaussian(path), path, x, times, None, [0, 1, 2])
        for method in (fitted.method(), METHODS[name])
    ]
    torch.testing.assert_close(made[0], made[1], rtol=1e-6, atol=1e-6)  # weights are float32


def test_every_weight_moves_the_sample_and_by_the_guess_it_names() -> None:
    path, x = Flow(), normal(2, 3)
    times = fit([[0.0] * DEPTH] * 5).times(path)

    def end(weights: torch.Tensor) -> torch.Tensor:
        made = sample(weighted(weights), gaussian(path), path, x, times, None, [0, 1])
        assert isinstance(made, torch.Tensor)
        return made

    slopes = torch.autograd.functional.jacobian(lambda w: end(w)[0, 0], torch.full((5, DEPTH), 0.1))
    used = torch.arange(5)[:, None] > torch.arange(DEPTH)
    assert (slopes[used] != 0).all()


def test_other_numbers_have_another_name() -> None:
    one, two = fit([[0.0] * DEPTH] * 5), fit(of_a_line())
    moved = fit([[0.0] * DEPTH] * 5, (*LEVELS[:-1], 4.1))
    assert len({one.name, two.name, moved.name}) == 3
    assert one.model_copy(update={"error": 0.5}).name == one.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": (-4.5, -2.0, -2.0, 0.5, 4.0)}, "levels must rise"),
        ({"weights": ((), (1.0,), (1.0,), (1.0, 0, 0), (1.0, 0, 0))}, "a weight for every guess before it, up to 3"),
        ({"weights": ()}, "a weight for every guess before it"),
        ({"levels": ()}, "levels"),
        ({"levels": (float("nan"),)}, "finite"),
        ({"wieghts": ()}, "did you mean 'weights'"),
    ],
)  # fmt: skip
def test_numbers_that_are_no_sampler_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(Fit, {**fit(of_a_line()).model_dump(), **change})
