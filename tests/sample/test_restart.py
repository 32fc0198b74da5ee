"""Restart goes back once, keeps the law of the sample, and forgets what went wrong before."""

from __future__ import annotations

import pytest
import torch

from ornstein.process.times import KarrasGrid, TimeGrid, UniformGrid
from ornstein.sample.loop import sample
from ornstein.sample.registry import METHODS
from ornstein.sample.restart import HIGH, LOW, restart, restarted
from tests.common import PATHS, gaussian, normal, real
from tests.orders.test_orders import moments

each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


@each_path
@pytest.mark.parametrize("grid", [KarrasGrid(), UniformGrid()])
@pytest.mark.parametrize("steps", [1, 2, 5, 12, 30, 100])
def test_the_grid_rises_at_most_once_and_pays_at_most_what_is_asked(path, grid: TimeGrid, steps: int) -> None:
    times = restarted(grid, steps, path)
    rises = (times.diff() > 0).nonzero()[:, 0]
    assert len(rises) <= 1
    assert 0.6 * steps <= int((times.diff() < 0).sum()) <= steps
    assert times[-1] == 0
    if len(rises):
        low, high = (float((-path(times[rises[0] + k]).logsnr / 2).exp()) for k in (0, 1))
        assert LOW <= low < high <= HIGH


@each_path
def test_the_law_of_the_sample_is_reached_at_second_order(path) -> None:
    denoiser = gaussian(path)

    def error(steps: int) -> float:
        times = restarted(KarrasGrid(sigma_max=5.0), steps, path)[:-1]  # to clean data is of first order
        c, found = path(times[[0, -1]]), moments(METHODS["restart"], denoiser, path, times)
        start, end = c.alpha**2 * denoiser.deviation**2 + c.sigma**2
        return float((found.gain**2 * start + found.variance - end).abs())

    assert error(40) < error(20) / 3


def test_it_forgets_what_went_wrong_before() -> None:
    """From a start that is off by one, less than half as much is left at the end as without restarting."""
    path, x = PATHS["flow"], normal(6, 2)
    denoiser, grid = gaussian(path), KarrasGrid(sigma_max=5.0)

    def left(name: str) -> float:
        times = METHODS[name].times(grid, 30, path)
        ends = [sample(METHODS[name], denoiser, path, x + off, times, None, range(6)) for off in (0.0, 1.0)]
        return float((ends[1] - ends[0]).abs().mean())

    assert left("restart") < left("heun") / 2


def test_rows_may_rise_and_fall_together() -> None:
    path, x, noise = PATHS["flow"], normal(3, 2), normal(3, 2, seed=1)
    t, s = real(0.5, 0.3, 0.4), real(0.3, 0.5, 0.4)

    def step(rows: slice) -> torch.Tensor:
        return restart(gaussian(path), path, x[rows], t[rows], s[rows], {}, lambda: noise[rows])[0]

    together = step(slice(3))
    for k in range(3):
        torch.testing.assert_close(together[k : k + 1], step(slice(k, k + 1)))
    torch.testing.assert_close(together[2], x[2])
