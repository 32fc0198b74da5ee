"""Laws of the paths: clean data at 0, noise at 1, and a time for every noise level."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

import math

import pytest
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from pydantic import ValidationError
from scipy.stats import kstest

from ornstein.process.fields import pad, select_rows
from ornstein.process.gaussian import Coefficients, DiscreteBeta, LinearBeta, VarianceExploding, corrupt
from tests.common import PATHS, each_path, normal, real

PRESERVING = [p for n, p in PATHS.items() if n not in ("flow", "variance-exploding")]


@each_path
def test_data_is_clean_at_zero_and_noise_only_grows(path):
    c = path(torch.linspace(0, 1, 4001, dtype=torch.float64))
    assert (c.alpha[0], c.sigma[0], c.logsnr[0]) == (1, 0, math.inf)
    assert (c.logsnr.diff() < 0).all()


@pytest.mark.parametrize("path", PRESERVING, ids=lambda p: p.kind)
def test_variance_is_preserved(path):
    torch.testing.assert_close(path(torch.rand(100, dtype=torch.float64)).scale, torch.ones(100).double())


@each_path
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_time_is_the_inverse_of_logsnr_with_both_ends(path, dtype, close):
    t = torch.linspace(0, 1, 1001, dtype=dtype)
    assert (path.time(path(t).logsnr) - t).abs().max() < close
    ends = path.time(torch.tensor([math.inf, -math.inf], dtype=dtype))
    assert ends.tolist() == [0, 1]
    assert path.time(torch.tensor([1e4, -1e4], dtype=dtype)).tolist() == pytest.approx([0, 1], abs=close)


@each_path
def test_coefficients_keep_shape_and_dtype_of_the_time(path):
    for t in (real(0.5), torch.rand(3, 2), torch.rand(2, 1, 4, dtype=torch.float64)):
        c = path(t)
        assert (c.alpha.shape, c.sigma.dtype, c.logsnr.shape) == (t.shape, t.dtype, t.shape)


def test_linear_beta_forgets_at_the_rate_it_names():
    path, t = (
        LinearBeta(beta_min=0.3, beta_max=11.0),
        torch.linspace(0.01, 1, 50, dtype=torch.float64).requires_grad_(),
    )
    (slope,) = torch.autograd.grad((2 * path(t).alpha.log()).sum(), t)
    torch.testing.assert_close(-slope, 0.3 + t.detach() * (11.0 - 0.3))


def test_linear_beta_may_slow_down():
    path, t = LinearBeta(beta_min=9.0, beta_max=0.5), torch.linspace(0, 1, 101, dtype=torch.float64)
    torch.testing.assert_close(path.time(path(t).logsnr), t)
    assert path.time(real(-30.0)) == 1


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("linear", PATHS["ddpm-grid"]),
        ("scaled_linear", PATHS["stable-diffusion-grid"]),
        ("linear", DiscreteBeta(steps=50)),
    ],
)
def test_discrete_grid_is_that_of_ddpm_and_stable_diffusion(name, path):
    assert isinstance(path, DiscreteBeta)
    peer = DDPMScheduler(path.steps, path.beta_start, path.beta_end, name)
    t = torch.arange(1, path.steps + 1, dtype=torch.float64) / path.steps
    torch.testing.assert_close(path(t).alpha ** 2, peer.alphas_cumprod.double(), rtol=3e-5, atol=1e-8)


def test_exploding_variance_is_the_difference_from_the_start():
    path = VarianceExploding(sigma_min=0.02, sigma_max=50.0)
    torch.testing.assert_close(path(real(1.0)).sigma ** 2, real(50.0**2 - 0.02**2))
    with pytest.raises(ValidationError, match="larger"):
        VarianceExploding(sigma_min=2.0, sigma_max=1.0)


@each_path
def test_corrupted_data_has_the_marginal_of_the_path(path):
    """x_t ~ N(alpha m, alpha^2 d^2 + sigma^2), correlated with x as alpha says."""
    count, mean, deviation = 100_000, 0.7, 0.5
    x = mean + deviation * normal(count, 1)
    for level in (5.0, 0.0, -5.0):
        t = path.time(real(level)).expand(count)
        x_t = corrupt(path, x, t, normal(count, 1, seed=1))
        c = path(t[:1])
        spread = torch.sqrt(c.alpha**2 * deviation**2 + c.sigma**2).item()
        assert kstest(x_t[:, 0].numpy(), "norm", (c.alpha.item() * mean, spread)).pvalue > 1e-3
        regression = torch.cov(torch.cat([x, x_t], 1).T)[0, 1] / deviation**2
        assert regression.item() == pytest.approx(c.alpha.item(), abs=5 * spread / deviation / count**0.5)


@each_path
def test_every_element_may_stand_at_its_own_time(path):
    x, noise, t = normal(2, 3, 4), normal(2, 3, 4, seed=1), torch.rand(2, 3, dtype=torch.float64)
    together = corrupt(path, x, t, noise)
    for b in range(2):
        for k in range(3):
            assert torch.equal(
                together[b, k], corrupt(path, x[b, k : k + 1], t[b, k : k + 1], noise[b, k : k + 1])[0]
            )
    assert torch.equal(corrupt(path, x, torch.zeros(2, 3).double(), noise), x)


def test_a_product_corrupts_field_by_field():
    x = {"place": normal(3, 5), "kind": normal(3, 2, 2)}
    noise = {"place": normal(3, 5, seed=1), "kind": normal(3, 2, 2, seed=2)}
    paths, t = {"place": PATHS["flow"], "kind": PATHS["cosine"]}, torch.rand(3, dtype=torch.float64)
    own = {"place": t, "kind": t / 2}
    shared, single = corrupt(paths, x, t, noise), corrupt(PATHS["flow"], x, own, noise)
    for name in x:
        assert torch.equal(shared[name], corrupt(paths[name], x[name], t, noise[name]))
        assert torch.equal(single[name], corrupt(PATHS["flow"], x[name], own[name], noise[name]))


def test_a_time_that_is_no_prefix_is_refused():
    with pytest.raises(ValueError, match=r"\(3,\) is not a prefix of sample shape \(2, 3\)"):
        pad(torch.zeros(3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="not a prefix"):
        pad(torch.zeros(2, 3, 4), torch.zeros(2, 3))


def test_what_has_no_rows_is_not_taken_for_a_condition():
    assert select_rows(None, torch.tensor([0])) is None
    with pytest.raises(TypeError, match="list"):
        select_rows(["a", "b"], torch.tensor([0]))


def test_scale_is_the_deviation_of_unit_data():
    assert Coefficients(real(3.0), real(4.0)).scale == 5
