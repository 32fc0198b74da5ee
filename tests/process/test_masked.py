"""Categories are hidden as the path says; what may follow from what is hidden has the probability it should."""

from __future__ import annotations

import itertools

import pytest
import torch
from scipy.stats import chisquare

from ornstein.process.clocks import Warped
from ornstein.process.gaussian import Flow, corrupt
from ornstein.process.masked import IMPOSSIBLE, MASK, Masked, certain, posterior
from ornstein.process.noise import row_noise

PATHS = {"linear": Masked(), "cosine": Masked(schedule="cosine")}
each_masked = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@each_masked
def test_the_path_goes_from_all_seen_to_all_hidden(path):
    ends = path(torch.tensor([0.0, 1.0]))
    assert ends.alpha.tolist() == [1.0, 0.0]
    assert ends.sigma.tolist() == [0.0, 1.0]
    t = uniform(100).sort().values
    c = path(t)
    torch.testing.assert_close(c.alpha + c.sigma, torch.ones_like(t))
    assert (c.alpha.diff() < 0).all()
    torch.testing.assert_close(path.time(c.logsnr), t)


@each_masked
def test_slope_and_weight_are_what_differentiating_gives(path):
    t = uniform(50).requires_grad_()
    c = path(t)
    (slope,) = torch.autograd.grad(c.alpha.sum(), t)
    torch.testing.assert_close(path.slope(t.detach()), slope)
    torch.testing.assert_close(path.weight(t.detach()), -slope / (1 - c.alpha.detach()))


def test_the_linear_weight_is_one_by_t():
    t = uniform(50)
    torch.testing.assert_close(Masked().weight(t), 1 / t)


@each_masked
def test_elements_are_hidden_with_the_paths_chance_and_by_themselves(path):
    x = torch.zeros(1, 40_000, 2, dtype=torch.long)
    t = torch.tensor([0.37])
    hidden = corrupt(path, x, t, row_noise([3], 0, x))[0] == MASK
    p = float(path(t).sigma)
    expected = [(1 - p) ** 2, p * (1 - p), p * (1 - p), p * p]
    seen = torch.bincount(hidden[:, 0] * 2 + hidden[:, 1], minlength=4)
    assert chisquare(seen.numpy(), 40_000 * torch.tensor(expected).numpy()).pvalue > 1e-3


@each_masked
def test_nothing_is_hidden_at_0_and_everything_at_1_whatever_is_drawn(path):
    x = torch.arange(6).reshape(2, 3)
    least = torch.zeros(2, 3, dtype=torch.float64)
    most = torch.full_like(least, 1 - 2.0**-53)
    for noise in (least, most):
        assert torch.equal(corrupt(path, x, torch.zeros(2), noise), x)
        assert (corrupt(path, x, torch.ones(2), noise) == MASK).all()
    given = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    assert corrupt(path, x, given, most).tolist() == [[0, MASK, 2], [MASK, MASK, 5]]


def test_fields_are_mixed_each_in_its_own_way():
    x = {"numbers": torch.randn(4, 2), "kinds": torch.randint(0, 5, (4, 3))}
    paths, t = {"numbers": Flow(), "kinds": Masked()}, torch.rand(4)
    noise = row_noise(range(4), 0, x)
    together = corrupt(paths, x, t, noise)
    for name, path in paths.items():
        assert torch.equal(together[name], corrupt(path, x[name], t, noise[name]))


@each_masked
def test_posterior_is_bayes_rule(path):
    """q(x_s | x_t) from the joint law of (x, x_s, x_t), enumerated: one element, four categories."""
    prior = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    s, t = torch.tensor([0.3], dtype=torch.float64), torch.tensor([0.8], dtype=torch.float64)
    seen_s, seen_t = float(path(s).alpha), float(path(t).alpha)
    joint = torch.zeros(5, 5, dtype=torch.float64)  # x_s by x_t, MASK last
    for k in range(4):
        joint[k, k] += prior[k] * seen_t
        joint[k, 4] += prior[k] * (seen_s - seen_t)
        joint[4, 4] += prior[k] * (1 - seen_s)
    for x_t in (0, 2, MASK):
        found = posterior(path, torch.tensor([[x_t]]), t, s, prior.log()[None, None])[0, 0].exp()
        torch.testing.assert_close(found, joint[:, x_t] / joint[:, x_t].sum())


@each_masked
def test_posterior_steps_compose(path):
    """From t to s, then to r, is from t to r, where the clean value is known."""
    logits = torch.tensor([0.5, -1.0, 0.2], dtype=torch.float64)
    times = [torch.tensor([v], dtype=torch.float64) for v in (0.9, 0.5, 0.2)]
    hidden = torch.tensor([[MASK]])
    for value in range(3):
        known = torch.full_like(logits, IMPOSSIBLE).index_fill(0, torch.tensor([value]), 0.0)[None, None]
        matrices = []
        for t, s in itertools.pairwise([*times]):
            rows = [posterior(path, torch.tensor([[v]]), t, s, known)[0, 0].exp() for v in (0, 1, 2)]
            matrices.append(torch.stack([*rows, posterior(path, hidden, t, s, known)[0, 0].exp()]))
        whole = posterior(path, hidden, times[0], times[2], known)[0, 0].exp()
        torch.testing.assert_close((matrices[0] @ matrices[1])[3], whole)


def test_what_is_seen_is_certain_and_what_cannot_be_stays_finite():
    logits = torch.tensor([[[1.0, -torch.inf], [0.3, 0.1]]], requires_grad=True)
    sure = certain(torch.tensor([[MASK, 1]]), logits)
    assert sure.tolist() == [[[1.0, IMPOSSIBLE], [IMPOSSIBLE, 0.0]]]
    sure.softmax(-1)[..., 0].sum().backward()
    assert torch.equal(logits.grad, torch.zeros(1, 2, 2))


def test_noise_of_categories_is_uniform_in_53_bits():
    drawn = row_noise([1, 2], 0, torch.zeros(2, 50_000, dtype=torch.long))
    assert drawn.dtype == torch.float64
    assert ((drawn * 2**53) % 1 == 0).all()
    assert ((drawn * 2**24) % 1 != 0).float().mean() > 0.99
    cells = torch.bincount((drawn * 50).long().flatten(), minlength=50)
    assert chisquare(cells.numpy()).pvalue > 1e-3
    again = row_noise([1, 2], 0, torch.zeros(2, 50_000, dtype=torch.long), again=1)
    assert abs(torch.corrcoef(torch.stack([drawn.flatten(), again.flatten()]))[0, 1]) < 0.02


def test_a_warped_path_hides_elements_by_their_own_clocks():
    path = Warped(Masked(), torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.9, 1.0]]))
    c = path(torch.tensor([0.0, 0.25, 0.5, 1.0]))
    torch.testing.assert_close(c.sigma, torch.tensor([[0.0, 0.0], [0.25, 0.45], [0.5, 0.9], [1.0, 1.0]]))
    x = torch.zeros(1, 2, dtype=torch.long).expand(20_000, 2)
    hidden = corrupt(path, x, torch.full((20_000,), 0.5), uniform(20_000, 2)) == MASK
    assert hidden.float().mean(0).tolist() == pytest.approx([0.5, 0.9], abs=0.015)
