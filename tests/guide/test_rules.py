"""Rules of guidance: scale 1 is off in all of them, and each takes back what it says."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false

from __future__ import annotations

import pytest
import torch

from ornstein.denoise.posterior import Denoiser, Posterior
from ornstein.guide.auto import AutoGuided
from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.guide.rules import CfgZero, Projected, Rescaled, straight
from ornstein.process.gaussian import Flow, VarianceExploding
from tests.common import WishedGaussian, each_path, gaussian, normal, real, wish

RULES = {"straight": straight, "rescaled": Rescaled(), "projected": Projected(), "zero": CfgZero(Flow())}
each_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
PLUS, MINUS, X = normal(3, 4, 2), normal(3, 4, 2, seed=1), normal(3, 4, 2, seed=2)
T = real(0.9, 0.5, 0.1)


@each_rule
def test_scale_one_is_off(rule):
    torch.testing.assert_close(rule(PLUS, MINUS, real(1.0, 1.0, 1.0), X, T), PLUS)


@each_rule
def test_a_row_is_guided_by_itself(rule):
    scale = real(3.0, 1.5, 6.0)
    together = rule(PLUS, MINUS, scale, X, T)
    for k in range(3):
        row = slice(k, k + 1)
        torch.testing.assert_close(rule(PLUS[row], MINUS[row], scale[row], X[row], T[row]), together[row])


def test_rescaled_all_the_way_has_the_deviation_of_the_guess_with_the_prompt():
    scale = real(3.0, 6.0, 9.0)
    assert (straight(PLUS, MINUS, scale, X, T).flatten(1).std(1) > 1.5 * PLUS.flatten(1).std(1)).all()
    back = Rescaled(share=1)(PLUS, MINUS, scale, X, T)
    torch.testing.assert_close(back.flatten(1).std(1), PLUS.flatten(1).std(1))
    torch.testing.assert_close(
        Rescaled(share=0)(PLUS, MINUS, scale, X, T), straight(PLUS, MINUS, scale, X, T)
    )


def test_projected_moves_across_the_guess_only():
    change = Projected()(PLUS, MINUS, real(3.0, 6.0, 9.0), X, T) - PLUS
    torch.testing.assert_close(
        (change * PLUS).flatten(1).sum(1), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0
    )
    whole = Projected(along=1.0)(PLUS, MINUS, real(3.0, 6.0, 9.0), X, T)
    torch.testing.assert_close(whole, straight(PLUS, MINUS, real(3.0, 6.0, 9.0), X, T))


def test_projected_shortens_what_is_too_long():
    scale = real(3.0, 3.0, 3.0)
    moved = Projected(along=1.0, longest=0.1)(PLUS, MINUS, scale, X, T) - PLUS
    torch.testing.assert_close(moved.flatten(1).square().mean(1).sqrt(), (scale - 1) * 0.1)


@each_path
def test_zero_forgives_a_guess_without_that_is_a_multiple(path):
    """Where the velocity without is a multiple of the one with, there is nothing to go away from."""
    t = path.time(real(-4.0, 0.0, 3.0))
    c = path(t).like(X)
    plus = X - (c.alpha + c.sigma) * PLUS
    negative = (X - 0.3 * plus) / (c.alpha + c.sigma)
    torch.testing.assert_close(CfgZero(path)(PLUS, negative, real(3.0, 5.0, 7.0), X, t), PLUS)


def test_a_rule_acts_on_guided_rows_only():
    denoiser, rule = WishedGaussian(VarianceExploding()), Rescaled()
    x_t, t = normal(3, 4), real(0.5, 0.99, 0.5)
    condition = Guided(wish([1, 2, 3]), wish([0, 0, -1]), real(3.0, 3.0, 1.0))
    mean = ClassifierFree(denoiser, (0.1, 0.9), rule)(x_t, t, condition).mean
    plus, minus = (denoiser(x_t, t, side).mean for side in (condition.positive, condition.negative))
    torch.testing.assert_close(mean[1:], plus[1:])
    torch.testing.assert_close(mean[:1], rule(plus[:1], minus[:1], real(3.0).reshape(1), x_t[:1], t[:1]))


@each_path
def test_autoguidance_undoes_an_error_that_the_worse_model_makes_twice_as_large(path):
    """What both are wrong about alike is what is taken away."""
    x_t, t = normal(3, 4), path.time(real(-1.0, 0.0, 1.0))
    truth = gaussian(path)(x_t, t).mean

    def wrong(by: float) -> Denoiser:
        return lambda x, time, condition: Posterior(gaussian(path)(x, time).mean + by)

    mean = AutoGuided(wrong(0.1), wrong(0.2), 2.0)(x_t, t, None).mean
    torch.testing.assert_close(mean, truth)


def test_autoguidance_by_one_does_not_ask_the_worse_model():
    def never(x, time, condition):
        raise AssertionError("asked")

    x_t, t, good = normal(3, 4), real(0.2, 0.5, 0.9), gaussian(Flow())
    assert torch.equal(AutoGuided(good, never, 1.0)(x_t, t, None).mean, good(x_t, t).mean)
