"""A network knows noise levels, not paths: change the path after training and nothing changes at the same logsnr."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

import pytest
import torch

from ornstein.denoise.algebra import ROWS
from ornstein.denoise.precondition import NetworkDenoiser
from ornstein.process.fields import pad
from ornstein.process.gaussian import Flow
from ornstein.process.noise import row_noise
from ornstein.process.times import LogsnrGrid
from ornstein.sample.loop import sample
from tests.common import each_method, each_path, normal, real

LEVELS = real(-4.9, -1.0, 0.5, 6.0)


def network(z, logsnr, condition):
    """Any smooth function of what a network may see."""
    return torch.tanh(0.8 * z + 0.1 * pad(logsnr, z)) - 0.3 * z.roll(1, dims=-1)


@each_path
@pytest.mark.parametrize("target", list(ROWS))
def test_a_posterior_is_that_of_the_same_level(path, target):
    z = normal(4, 5)
    means = [
        NetworkDenoiser(network, p, target)(z * pad(p(t).scale, z), t, None).mean
        for p in (Flow(), path)
        for t in [p.time(LEVELS)]
    ]
    torch.testing.assert_close(*means, rtol=1e-7, atol=1e-7)


@each_path
@each_method
def test_a_whole_trajectory_is_that_of_matched_levels(path, method):
    """Steps depend on levels alone. Heun's trapezoid too: its frame is made of levels."""
    grid = LogsnrGrid(
        logsnr_min=-4.5, logsnr_max=6.0
    )  # churn goes back from there, and no path may end before
    seeds = [3, 4]
    ends = []
    for p in (Flow(), path):
        times = grid.times(12, p)
        x = row_noise(seeds, 0, torch.empty(2, 6, dtype=torch.float64)) * p(times[:1]).scale
        ends.append(sample(method, NetworkDenoiser(network, p, "v"), p, x, times, None, seeds))
    torch.testing.assert_close(*ends, rtol=1e-6, atol=1e-6)
