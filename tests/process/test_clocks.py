"""Learned clocks: monotone, invertible, and such that what is lost grows evenly."""

from __future__ import annotations

import pytest
import torch

from ornstein.process.clocks import Warped, Warper
from ornstein.process.gaussian import Cosine, Flow
from ornstein.process.masked import Masked

WARP = torch.tensor([[0.0, 0.1, 0.7, 1.0], [0.0, 0.5, 0.6, 1.0]], dtype=torch.float64)


def times(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def learned(curves, plain: float, batches: int = 400) -> Warper:
    """A warper that has seen noisy errors whose means are the given curves of own time."""
    warper = Warper.fresh(len(curves))
    warper.plain = plain
    random = torch.Generator().manual_seed(0)
    for _ in range(batches):
        own = torch.rand(128, len(curves), generator=random)
        means = torch.stack([curve(own[:, k]) for k, curve in enumerate(curves)], 1)
        warper.observe(own, means * 2 * torch.rand(means.shape, generator=random))
    return warper


@pytest.mark.parametrize("path", [Flow(), Cosine(), Masked(), Masked(schedule="cosine")])
def test_the_clock_of_a_noise_level_is_found_again(path):
    warped, t = Warped(path, WARP), times(20, 2)
    torch.testing.assert_close(warped.time(warped(t).logsnr), t)


def test_a_shared_clock_and_one_for_each_element_agree_and_ends_are_exact():
    warped, t = Warped(Masked(), WARP.float()), times(20).float()
    torch.testing.assert_close(warped(t).alpha, warped(t[:, None].expand(20, 2)).alpha)
    assert warped(torch.tensor([0.0, 1.0])).sigma.tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_slope_is_by_the_shared_clock():
    for path in (Masked(), Masked(schedule="cosine")):
        warped, t = Warped(path, WARP), times(20).requires_grad_()
        for element in range(2):
            (slope,) = torch.autograd.grad(warped(t).alpha[:, element].sum(), t)
            torch.testing.assert_close(warped.slope(t.detach())[:, element], slope)


def test_in_its_own_clock_what_is_lost_of_an_element_grows_evenly():
    curves = [lambda t: 3 * t**3, torch.sqrt, lambda t: torch.sigmoid(12 * (t - 0.5))]
    warped = Warped(Masked(), learned(curves, plain=0.0).warp())
    clock = torch.linspace(0, 1, 21)
    own = warped.own(clock)
    for k, curve in enumerate(curves):
        share = curve(own[:, k]) / curve(torch.ones(()))
        assert (share - clock)[2:].abs().max() < 0.05
        assert (curve(clock) / curve(torch.ones(())) - clock).abs().max() > 0.2  # it did not before


def test_warps_rise_from_0_to_1_whatever_was_seen():
    nothing = Warper.fresh(2)
    torch.testing.assert_close(nothing.warp(9), torch.linspace(0, 1, 9).expand(2, 9))
    flat = learned([torch.zeros_like, torch.ones_like, lambda t: 1 - t], plain=0.1, batches=20)
    for warper in (nothing, flat):
        warp = warper.warp()
        assert (warp.diff(dim=1) > 0).all()
        assert warp[:, 0].tolist() == [0.0] * len(warp)
        assert warp[:, -1].tolist() == pytest.approx([1.0] * len(warp))


def test_what_does_not_count_is_not_seen_and_the_state_is_all_there_is():
    one, other = Warper.fresh(2), Warper.fresh(2)
    own, errors = times(64, 2), times(64, 2)
    counted = times(64, 2) > 0.5
    one.observe(own, errors, counted)
    other.observe(own, torch.where(counted, errors, torch.nan), counted)
    assert torch.equal(one.sums, other.sums)
    third = Warper.fresh(2)
    third.load(one.state())
    assert torch.equal(third.warp(), one.warp())
