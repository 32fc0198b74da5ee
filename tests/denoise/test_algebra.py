"""One algebra: six targets, one 2x2 system, exact wherever it has a solution."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ornstein.denoise.algebra import ROWS, SingularTargetError, compose, level, solve
from ornstein.denoise.precondition import NetworkDenoiser
from tests.common import PATHS, each_path, normal, real

each_target = pytest.mark.parametrize("target", list(ROWS))


@given(st.sampled_from(list(ROWS)), st.floats(-12, 20), st.integers(0, 1000))
def test_a_perfect_network_gives_back_the_data(target, logsnr, seed):
    x, eps = normal(2, 8, seed=seed)
    a, s = level(real(logsnr))
    output = compose(target, x, eps, a, s)
    torch.testing.assert_close(solve(target, a * x + s * eps, output, a, s), x, rtol=1e-6, atol=1e-8)


@each_target
def test_clean_data_passes_whatever_the_network_says(target):
    a, s = level(real(math.inf))
    assert (a, s) == (1, 0)
    z = normal(8)
    assert torch.equal(solve(target, z, normal(8, seed=1), a, s), z)


@each_target
def test_targets_without_noise_in_them_are_solved_at_pure_noise(target):
    a, s = level(real(-math.inf))
    x, eps = normal(2, 8)
    output = compose(target, x, eps, a, s)
    if target in ("eps", "score"):
        with pytest.raises(SingularTargetError, match=target):
            solve(target, eps, output, a, s)
    else:
        torch.testing.assert_close(solve(target, eps, output, a, s), x)


def test_one_singular_row_is_enough_to_refuse():
    a, s = level(real(0.0, -40.0))
    with pytest.raises(SingularTargetError, match="start the grid later"):
        solve("eps", normal(2), normal(2), a, s)


@given(st.floats(0.002, 80), st.floats(0.1, 5))
def test_edm_row_is_the_preconditioning_of_karras(sigma, sigma_data):
    """Table 1 of arXiv 2206.00364, for any data deviation, on data in its own units."""
    y, network_output = normal(2, 16)  # y: noisy data in the paper's units
    y = y * math.hypot(sigma, sigma_data)
    c_skip = sigma_data**2 / (sigma**2 + sigma_data**2)
    c_out = sigma * sigma_data / math.sqrt(sigma**2 + sigma_data**2)
    c_in = 1 / math.sqrt(sigma**2 + sigma_data**2)
    a, s = level(2 * real(sigma_data / sigma).log())
    z = y * c_in
    ours = sigma_data * solve("edm", z, network_output, a, s)
    torch.testing.assert_close(ours, c_skip * y + c_out * network_output, rtol=1e-9, atol=1e-9)


@each_path
@each_target
def test_network_sees_unit_variance_and_logsnr_and_its_target_is_solved(path, target):
    """A network that knows x returns any of its targets; the denoiser finds x again, with t of a row or an element."""
    x, eps = normal(2, 3, 4)
    for t in (
        path.time(real(-3.0, 0.0, 4.0)),
        path.time(torch.linspace(-4, 6, 12, dtype=torch.float64).view(3, 4)),
    ):
        c = path(t).like(x)

        def network(z, logsnr, condition, c=c):
            torch.testing.assert_close(z * c.scale, c.alpha * x + c.sigma * eps)
            return compose(target, x, eps, *level(logsnr.reshape(c.alpha.shape)))

        posterior = NetworkDenoiser(network, path, target)(c.alpha * x + c.sigma * eps, t, None)
        torch.testing.assert_close(posterior.mean, x)


def test_network_is_told_a_finite_level_at_both_ends():
    seen = []

    def network(z, logsnr, condition):
        seen.append(logsnr)
        return z

    for path in PATHS.values():
        NetworkDenoiser(network, path)(normal(2, 3), real(0.0, 1.0), None)
    assert torch.isfinite(torch.stack(seen)).all()
