"""Several conditions a row: the law they ask for, what it costs, and when parts take turns."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch

from ornstein.condition.tokens import Tokens
from ornstein.denoise.exact import GaussianDenoiser
from ornstein.denoise.posterior import Posterior
from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.guide.rules import Rescaled
from ornstein.guide.several import Several
from ornstein.process.gaussian import Flow
from ornstein.sample.loop import sample
from ornstein.sample.registry import METHODS
from tests.common import WishedGaussian, each_path, normal, real, wish

NAN = float("nan")


def several(wishes: list[list[float]], weights: list[list[float]]) -> Several:
    """Parts that never change."""
    count = torch.tensor(wishes).numel()
    turns = torch.arange(count).reshape(len(wishes), -1, 1)
    flat = [value for row in wishes for value in row]
    ends = torch.zeros(len(wishes), 0)
    return Several(wish(flat), turns, ends, torch.tensor(weights, dtype=torch.float64))


def guided(wishes, weights, negative, scale) -> Guided:
    return Guided(several(wishes, weights), wish(negative), torch.tensor(scale))


@each_path
def test_and_of_gaussians_of_one_width_is_their_product_by_the_base(path):
    """p_- (p_1/p_-)^(w v_1) (p_2/p_-)^(w v_2) has the mean m_- + w (v_1 (m_1 - m_-) + v_2 (m_2 - m_-)): exact here."""
    denoiser, x_t, t = WishedGaussian(path), normal(2, 4), path.time(real(-1.0, 2.0))
    condition = guided([[1, 2], [0.5, -1]], [[1, 1], [0.5, -2]], [0, 1], [1.0, 3.0])
    mean = ClassifierFree(denoiser)(x_t, t, condition).mean
    torch.testing.assert_close(mean, denoiser(x_t, t, wish([3, 1 + 3 * (0.5 * -0.5 + -2 * -2)])).mean)


@each_path
def test_and_of_gaussians_of_any_width_has_the_score_of_their_product_where_noise_is_small(path):
    """Composed scores are those of the noised product only without noise (Du et al. 2023, arXiv 2302.11552)."""

    def wide(x_t, t, condition):
        mean, deviation = condition.states[:, 0].unsqueeze(-1).unbind(1)
        return GaussianDenoiser(path, mean, deviation)(x_t, t)

    laws = torch.tensor([[[1.0, 0.7]], [[-0.5, 0.4]], [[0.2, 1.0]]], dtype=torch.float64)
    tokens = Tokens(laws, torch.ones(3, 1, dtype=torch.bool))
    parts = Several(
        tokens.select(torch.tensor([0, 1])), torch.arange(2).reshape(1, 2, 1), torch.zeros(1, 0),
        torch.ones(1, 2, dtype=torch.float64),
    )  # fmt: skip
    precision = 0.7**-2 + 0.4**-2 - 1.0**-2
    centre = (1.0 * 0.7**-2 - 0.5 * 0.4**-2 - 0.2) / precision
    product = GaussianDenoiser(path, real(centre), real(precision**-0.5))
    apart = []
    for logsnr in (8.0, 12.0):
        t = path.time(real(logsnr)).reshape(1)
        c = path(t).like(x_t := normal(1, 6))
        condition = Guided(parts, tokens.select(torch.tensor([2])), torch.ones(1, dtype=torch.float64))
        means = ClassifierFree(wide)(x_t, t, condition).mean, product(x_t, t).mean
        one, other = ((c.alpha * mean - x_t) / c.sigma**2 for mean in means)
        apart.append(float((one - other).norm() / other.norm()))
    assert apart[1] < 1e-3
    assert apart[1] < apart[0] / 20  # falls as sigma squared, e^-4


def test_one_part_of_weight_one_is_the_plain_prompt_to_the_bit():
    plain, composed = WishedGaussian(Flow()), WishedGaussian(Flow())
    x_t, t, scale = normal(3, 4), real(0.99, 0.5, 0.5), [3.0, 3.0, 1.0]
    condition = guided([[1], [2], [3]], [[1], [1], [1]], [0, 0, 0], scale)
    mean = ClassifierFree(composed, (0.1, 0.9))(x_t, t, condition).mean
    same = Guided(wish([1, 2, 3]), wish([0, 0, 0]), torch.tensor(scale))
    assert torch.equal(mean, ClassifierFree(plain, (0.1, 0.9))(x_t, t, same).mean)
    assert composed.rows == plain.rows == 4


def test_a_part_of_weight_zero_says_nothing_and_weights_multiply_the_scale():
    denoiser, x_t, t = WishedGaussian(Flow()), normal(2, 4), real(0.5, 0.8)
    plain = ClassifierFree(denoiser)(x_t, t, Guided(wish([1, 2]), wish([NAN, -1]), torch.tensor([3.0, 1.5])))
    mean = ClassifierFree(denoiser)(
        x_t, t, guided([[1, 7], [2, -7]], [[1, 0], [0.5, 0]], [NAN, -1], [3.0, 3.0])
    )
    torch.testing.assert_close(mean.mean, plain.mean)


def test_not_is_a_negative_prompt_of_its_weight():
    """b + w (a - b) = 0 + w ((a - 0) - (w - 1)/w (b - 0)), whatever stands for nothing."""
    denoiser, x_t, t, w = WishedGaussian(Flow()), normal(1, 4), real(0.5).reshape(1), 4.0
    mean = ClassifierFree(denoiser)(x_t, t, guided([[1, 5]], [[1, -(w - 1) / w]], [NAN], [w])).mean
    negative = Guided(wish([1]), wish([5]), torch.tensor([w]))
    torch.testing.assert_close(mean, ClassifierFree(denoiser)(x_t, t, negative).mean)


@pytest.mark.parametrize(("time", "scale"), [(0.5, 3.0), (0.99, 3.0), (0.5, 1.0)])
def test_every_part_of_every_row_and_one_row_to_weigh_them_against_in_one_batch(time, scale):
    denoiser, x_t, t = WishedGaussian(Flow()), normal(2, 4), real(time, time)
    weights = [[1, 1, 1], [0.2, 0.3, 0.5]]
    ClassifierFree(denoiser, (0.1, 0.9))(
        x_t, t, guided([[1, 2, 3], [4, 5, 6]], weights, [0, 0], [scale, scale])
    )
    assert (denoiser.calls, denoiser.rows) == (1, 8)


def test_outside_the_interval_the_parts_are_weighed_at_scale_one():
    denoiser, x_t, t = WishedGaussian(Flow()), normal(1, 4), real(0.99).reshape(1)
    mean = ClassifierFree(denoiser, (0.1, 0.9))(x_t, t, guided([[1, 2]], [[1, 1]], [0], [5.0])).mean
    torch.testing.assert_close(mean, denoiser(x_t, t, wish([3])).mean)


def test_a_rule_takes_the_composed_guess_for_the_one_with_the_prompt():
    denoiser, x_t, t = WishedGaussian(Flow()), normal(1, 4), real(0.5).reshape(1)
    mean = ClassifierFree(denoiser, rule=Rescaled())(x_t, t, guided([[1, 2]], [[1, 1]], [0], [3.0])).mean
    whole = Guided(wish([3]), wish([0]), torch.tensor([3.0]))
    torch.testing.assert_close(mean, ClassifierFree(denoiser, rule=Rescaled())(x_t, t, whole).mean)


def test_a_row_alone_is_the_row_in_a_batch():
    denoiser, x_t, t = WishedGaussian(Flow()), normal(3, 4), real(0.2, 0.5, 0.9)
    condition = guided([[1, 2], [3, 4], [5, 6]], [[1, 1], [0.5, -1], [2, 0]], [0, NAN, 1], [3.0, 1.0, 2.0])
    together = ClassifierFree(denoiser)(x_t, t, condition).mean
    for k in range(3):
        row = torch.tensor([k])
        alone = ClassifierFree(denoiser)(x_t[row], t[row], condition.select(row)).mean
        assert torch.equal(alone[0], together[k])


@dataclass
class Listening:
    """Remembers what it was told in each call."""

    heard: list[list[float]] = field(default_factory=list)

    def __call__(self, x_t, t, condition):
        self.heard.append(condition.states[:, 0, 0].tolist())
        return Posterior(torch.zeros_like(x_t))


@pytest.mark.parametrize(
    ("method", "heard"),
    [
        ("ddim", [[1, 7], [2, 7], [1, 8], [2]]),
        (
            "dpmpp-2s",
            [[1, 7], [1, 7], [2, 7], [2, 7], [1, 8], [1, 8], [2]],
        ),  # also looks in the middle of a step
    ],
)
def test_parts_take_turns_step_by_step_on_each_rows_own_grid(method, heard):
    grids = [real(1.0, 0.8, 0.5, 0.2, 0.0), real(1.0, 0.6, 0.3, 0.1)]
    turns = torch.tensor([[[0, 1, 0, 1]], [[2, 2, 3, 0]]])
    ends = torch.tensor([[0.8, 0.5, 0.2], [0.6, 0.3, -1.0]], dtype=torch.float64)
    told = Several(wish([1, 2, 7, 8]), turns, ends, torch.ones(2, 1))
    listening, off = Listening(), torch.ones(2)
    x = normal(2, 3).float()
    sample(
        METHODS[method], ClassifierFree(listening), Flow(), x, grids, Guided(told, wish([0, 0]), off), [0, 1]
    )
    assert listening.heard == heard
