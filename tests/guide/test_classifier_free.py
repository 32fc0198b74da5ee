"""Guidance: 1 is off, nothing is evaluated in vain, and it means the same in every parameterisation."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

import pytest
import torch

from ornstein.denoise.posterior import Posterior
from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.process.fields import pad
from ornstein.process.gaussian import Flow
from tests.common import WishedGaussian, each_path, normal, real, wish

NAN = float("nan")


def guided(positive: list[float], negative: list[float], scale: list[float]) -> Guided:
    return Guided(wish(positive), wish(negative), torch.tensor(scale))


def test_scale_one_is_off_bitwise():
    denoiser, x_t, t = WishedGaussian(Flow()), normal(3, 4), real(0.9, 0.5, 0.1)
    condition = guided([1, 2, 3], [NAN] * 3, [1.0] * 3)
    plain = denoiser(x_t, t, condition.positive)
    assert torch.equal(ClassifierFree(denoiser)(x_t, t, condition).mean, plain.mean)
    assert denoiser.rows == 6


@pytest.mark.parametrize(
    ("times", "scales", "asked"),
    [
        ([0.5, 0.5, 0.5], [3.0, 3.0, 3.0], 6),  # all guided
        ([0.5, 0.5, 0.5], [3.0, 1.0, 3.0], 5),  # one off
        ([0.99, 0.5, 0.01], [3.0, 3.0, 3.0], 4),  # two outside the interval
        ([0.8, 0.2, 0.5], [2.0, 2.0, 1.0], 5),  # the ends of the interval belong to it
        ([0.99, 0.99, 0.99], [3.0, 3.0, 3.0], 3),  # nothing to do
        ([0.5, 0.5, 0.5], [0.0, -1.0, 1.0], 5),  # 0 is the negative condition alone, below 0 still a scale
    ],
)
def test_only_rows_that_are_guided_are_evaluated_twice_and_all_in_one_batch(times, scales, asked):
    denoiser = WishedGaussian(Flow())
    guidance = ClassifierFree(denoiser, (0.2, 0.8))
    x_t, t, condition = normal(3, 4), real(*times), guided([1, 2, 3], [-1, NAN, -3], scales)
    mean = guidance(x_t, t, condition).mean
    assert (denoiser.calls, denoiser.rows) == (1, asked)
    plus, minus = (denoiser(x_t, t, side).mean for side in (condition.positive, condition.negative))
    for row, (time, scale) in enumerate(zip(times, scales, strict=True)):
        acts = 0.2 <= time <= 0.8
        wanted = minus[row] + scale * (plus[row] - minus[row]) if acts else plus[row]
        torch.testing.assert_close(mean[row], wanted)


@each_path
def test_guiding_the_mean_is_guiding_the_noise(path):
    """eps_- + w (eps_+ - eps_-), the usual form, read off both posteriors and off the guided one."""
    denoiser, x_t, t = WishedGaussian(path), normal(3, 4), path.time(real(-4.0, 0.0, 3.0))
    condition = guided([1, 2, 3], [-1, NAN, 0], [3.0, 1.5, 0.5])
    c = path(t).like(x_t)

    def eps(posterior: Posterior) -> torch.Tensor:
        return (x_t - c.alpha * posterior.mean) / c.sigma

    plus, minus = (eps(denoiser(x_t, t, side)) for side in (condition.positive, condition.negative))
    expected = minus + pad(condition.scale, x_t) * (plus - minus)
    torch.testing.assert_close(eps(ClassifierFree(denoiser)(x_t, t, condition)), expected)


@each_path
def test_guidance_between_gaussians_of_one_width_is_the_gaussian_beyond(path):
    """p_-^(1-w) p_+^w of two such Gaussians is one with the extrapolated mean, so the law is exact here."""
    denoiser, x_t, t = WishedGaussian(path), normal(2, 4), path.time(real(-1.0, 2.0))
    mean = ClassifierFree(denoiser)(x_t, t, guided([1, 2], [0, -1], [3.0, 2.0])).mean
    torch.testing.assert_close(mean, denoiser(x_t, t, wish([3, 5])).mean)


def test_a_row_of_mixed_times_is_guided_by_its_noisiest_element():
    denoiser = WishedGaussian(Flow())
    t = torch.tensor([[0.0, 0.5], [0.0, 0.05]], dtype=torch.float64)
    ClassifierFree(denoiser, (0.1, 1.0))(normal(2, 2), t, guided([1, 2], [0, 0], [3.0, 3.0]))
    assert denoiser.rows == 3


def test_fields_are_guided_together_by_the_noisiest_of_them():
    class Fields(WishedGaussian):
        def __call__(self, x_t, t, condition):
            inner = WishedGaussian(self.path)
            self.rows += len(x_t["a"])
            return Posterior({name: inner(x_t[name], t[name], condition).mean for name in x_t})

    denoiser = Fields(Flow())
    x_t = {"a": normal(2, 3), "b": normal(2, 1, seed=1)}
    t = {"a": real(0.0, 0.0), "b": real(0.5, 0.05)}
    condition = guided([1, 2], [0, -1], [3.0, 3.0])
    mean = ClassifierFree(denoiser, (0.1, 1.0))(x_t, t, condition).mean
    assert denoiser.rows == 3
    plain = denoiser(x_t, t, condition.positive).mean
    torch.testing.assert_close(mean["b"][1], plain["b"][1])
    assert not torch.allclose(mean["b"][0], plain["b"][0])


def test_conditions_of_different_lengths_share_the_batch():
    from ornstein.condition.tokens import Tokens

    long = Tokens(torch.ones(2, 3, 1, dtype=torch.float64), torch.ones(2, 3, dtype=torch.bool))
    denoiser, x_t, t = WishedGaussian(Flow()), normal(2, 4), real(0.5, 0.5)
    mean = ClassifierFree(denoiser)(x_t, t, Guided(wish([2, 3]), long, torch.tensor([2.0, 2.0]))).mean
    torch.testing.assert_close(mean, denoiser(x_t, t, wish([3, 5])).mean)
