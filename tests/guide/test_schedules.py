"""Schedules of guidance: what they are at their ends, how much they are in all, and that off stays off."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false

from __future__ import annotations

import pytest
import torch

from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.guide.schedules import Constant, Cosine, Linear, PowerCosine
from ornstein.process.gaussian import Flow
from tests.common import WishedGaussian, normal, real, wish

SCHEDULES = {"constant": Constant(), "linear": Linear(), "cosine": Cosine(), "power": PowerCosine(power=2)}
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
EVEN = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000


@pytest.mark.parametrize(
    ("schedule", "noise", "data"), [(Constant(), 1, 1), (Linear(), 0, 2), (Cosine(), 0, 2), (PowerCosine(), 0, 1)]
)  # fmt: skip
def test_ends(schedule, noise, data):
    torch.testing.assert_close(schedule.share(real(1.0, 0.0)), real(noise, data))


@pytest.mark.parametrize("schedule", [Constant(), Linear(), Cosine()])
def test_as_much_guidance_as_constant(schedule):
    torch.testing.assert_close(schedule.share(EVEN).mean(), real(1.0))


@each_schedule
def test_guidance_never_fades_toward_the_data(schedule):
    assert (schedule.share(EVEN).diff() <= 0).all()


def test_power_one_is_half_of_cosine_and_more_sets_in_later():
    torch.testing.assert_close(2 * PowerCosine().share(EVEN), Cosine().share(EVEN))
    assert (PowerCosine(power=4).share(EVEN) <= PowerCosine(power=2).share(EVEN)).all()


@each_schedule
def test_scale_one_is_off(schedule):
    denoiser, x_t, t = WishedGaussian(Flow()), normal(3, 4), real(0.9, 0.5, 0.1)
    condition = Guided(wish([1, 2, 3]), wish([0, 0, 0]), torch.ones(3))
    ClassifierFree(denoiser, schedule=schedule)(x_t, t, condition)
    assert denoiser.rows == 3


def test_a_row_without_guidance_at_its_time_is_evaluated_once():
    denoiser, t = WishedGaussian(Flow()), real(1.0, 0.5, 0.05)
    condition = Guided(wish([1, 2, 3]), wish([0, 0, 0]), torch.full((3,), 3.0))
    ClassifierFree(denoiser, (0.1, 1.0), schedule=Linear())(normal(3, 4), t, condition)
    assert denoiser.rows == 4


@each_schedule
def test_the_scale_moves_between_off_and_on(schedule):
    """w(t) = 1 + (w - 1) g(t): at g = 1/2 guidance of 3 is guidance of 2."""
    denoiser, x_t, t = WishedGaussian(Flow()), normal(3, 4), real(0.9, 0.5, 0.2)
    sides = wish([1, 2, 3]), wish([0, -1, 0])
    mean = ClassifierFree(denoiser, schedule=schedule)(x_t, t, Guided(*sides, torch.full((3,), 3.0))).mean
    now = 1 + 2 * schedule.share(t)
    torch.testing.assert_close(mean, ClassifierFree(denoiser)(x_t, t, Guided(*sides, now)).mean)


def test_constant_is_the_scale_to_the_bit():
    scale = torch.tensor([0.1, 1.1, 7.3])
    acting, on = ClassifierFree(WishedGaussian(Flow()))._scale(torch.tensor([0.1, 0.5, 0.9]), scale)
    assert torch.equal(acting, scale)
    assert on.all()
