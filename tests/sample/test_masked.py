"""Samplers of categories draw from the law they should, where they should; and only from that."""

from __future__ import annotations

import itertools

import pytest
import torch
from scipy.stats import chisquare, kstest

from ornstein.denoise.posterior import Posterior
from ornstein.process.clocks import Warped
from ornstein.process.masked import IMPOSSIBLE, MASK, Masked
from ornstein.process.times import UniformGrid
from ornstein.sample.blocks import block_grid, held, row_grids
from ornstein.sample.loop import sample, trajectory
from ornstein.sample.masked import confidence, draw, hits
from ornstein.sample.registry import TOKEN_METHODS, find_token_method
from ornstein.sample.stepper import Method
from tests.categories import JOINT, KINDS, LAW, LENGTH, PATH, VALUES, hidden, pvalue, stepped

each_token_method = pytest.mark.parametrize("method", TOKEN_METHODS.values(), ids=TOKEN_METHODS.keys())
NONE = torch.zeros(LENGTH, dtype=torch.bool)
PRODUCT = torch.stack(
    [torch.stack([LAW[VALUES[:, i] == v[i]].sum() for i in range(LENGTH)]).prod() for v in VALUES]
)
"""The law of elements that do not know of each other."""


def falling(steps: int) -> torch.Tensor:
    return UniformGrid().times(steps, PATH)


def test_draws_have_the_law_and_never_what_cannot_be():
    logits = torch.tensor([0.3, IMPOSSIBLE, -1.0, -torch.inf, 2.0, IMPOSSIBLE])
    uniform = torch.rand(40_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    uniform[:2] = torch.tensor([0.0, 1 - 2.0**-53])
    drawn = torch.bincount(draw(logits.expand(40_000, 6), uniform), minlength=6)
    possible = logits > -10
    assert drawn[~possible].tolist() == [0, 0, 0]
    expected = 40_000 * logits.softmax(-1)[possible].double()
    assert chisquare(drawn[possible].numpy(), expected.numpy() * 40_000 / expected.sum().item()).pvalue > 1e-3


def test_a_rare_category_comes_as_often_as_it_should_and_by_gumbels_way_in_float32_does_not():
    """A category of probability 4e-8, as thousands of a large vocabulary are."""
    rarity = -17.0
    p = torch.tensor(rarity, dtype=torch.float64).exp() / (1 + torch.tensor(rarity).double().exp())
    cell = p * torch.tensor(
        [1 - 1e-6, 1 + 1e-6], dtype=torch.float64
    )  # uniforms on both sides of its cell's end
    assert draw(torch.tensor([[rarity, 0.0]] * 2), cell).tolist() == [0, 1]

    # by Gumbel's way it wins if its noise beats the other's; its float32 uniforms are multiples of 2^-24
    uniform = 1 - torch.arange(1, 2**20) * 2.0**-24
    noise = -(-uniform.float().log()).log()
    wins = (torch.exp(-torch.exp(-(noise.double() + rarity))) * 2.0**-24).sum()
    assert wins < 0.6 * p


def test_many_ancestral_steps_draw_from_the_joint_law_and_one_from_the_product():
    assert pvalue(stepped(TOKEN_METHODS["unmask"], hidden(4000), falling(200)), LAW) > 1e-3
    once = stepped(TOKEN_METHODS["unmask"], hidden(8000), falling(1))
    assert pvalue(once, PRODUCT) > 1e-3
    assert pvalue(once, LAW) < 1e-6


@pytest.mark.parametrize("name", ["unmask", "remask", "confidence"])
def test_one_element_a_step_is_exact(name):
    """Blocks of one element: each is drawn given those before it, so any of these is."""
    x = stepped(TOKEN_METHODS[name], hidden(8000), block_grid(LENGTH, 1, LENGTH, NONE))
    assert pvalue(x, LAW) > 1e-3


def test_remasking_leaves_the_law_as_it_was_and_does_hide_again():
    method = TOKEN_METHODS["remask"]
    assert pvalue(stepped(method, hidden(3000), falling(400)), LAW) > 1e-3
    # on the way, as many are hidden as the path says, whatever was hidden again
    halfway = stepped(method, hidden(6000), falling(100)[:61])
    assert (halfway == MASK).float().mean().item() == pytest.approx(0.4, abs=0.015)
    next_one = stepped(method, halfway, falling(100)[60:62], seed=1)
    assert ((halfway != MASK) & (next_one == MASK)).sum() > 50
    assert not ((halfway != MASK) & (next_one != MASK) & (next_one != halfway)).any()


@pytest.mark.parametrize(
    "path", [Masked(), Masked(schedule="cosine"), Warped(PATH, torch.tensor([[0, 0.3, 1.0]] * 3))]
)
def test_first_hitting_is_exact_in_as_many_steps_as_elements(path):
    method = TOKEN_METHODS["first-hitting"]
    for times in (held(falling(1), NONE), block_grid(LENGTH, 2, 4, NONE)):
        grids = torch.stack([method.arrange(times, path, seed) for seed in range(2000)], 1)
        assert len(grids) == LENGTH + 1
        assert pvalue(stepped(method, hidden(2000), grids, path), LAW) > 1e-3


def test_first_hits_are_when_the_process_says_and_in_any_order():
    grids = torch.stack([hits(held(falling(3), NONE), PATH, seed) for seed in range(2000)])
    when = torch.where(grids > 0, grids, 1.0).amin(1)  # the last time at which an element still waits
    for element in range(LENGTH):
        assert kstest(when[:, element].numpy(), "uniform").pvalue > 1e-3
    order = when.argsort(1) @ torch.tensor([9, 3, 1])
    assert chisquare(order.unique(return_counts=True)[1].numpy()).pvalue > 1e-3
    assert (grids.diff(dim=1) <= 0).all()
    assert ((grids[:, :-1] > 0) & (grids[:, 1:] == 0)).sum((1, 2)).eq(LENGTH).all()


def test_confidence_is_biased_toward_what_is_likely():
    surest = stepped(TOKEN_METHODS["confidence"], hidden(4000), falling(100))
    assert pvalue(surest, LAW) < 1e-6
    likely = LAW.sort().values[-2] <= LAW
    found = torch.bincount(surest @ torch.tensor([4, 2, 1]), minlength=8) / 4000
    assert found[likely].sum() > LAW[likely].sum() + 0.05
    # with endless noise on the order it is a random order, one element a step
    assert pvalue(stepped(Method(confidence(1e9), 1, 1, True, ""), hidden(8000), falling(LENGTH)), LAW) > 1e-3


def test_confidence_takes_the_surest_first_and_as_many_as_the_path_shows():
    logits = torch.tensor([[0.0, 9.0], [0.0, 1.0], [0.0, 5.0], [3.0, 0.0]])

    def denoise(x, t):
        return Posterior(logits.expand(len(x), 4, 2))

    x, t, s = hidden(1, 4), torch.ones(1), torch.tensor([0.5])
    noise = torch.full((1, 4), 0.5, dtype=torch.float64)
    moved, _ = confidence(0.0)(denoise, PATH, x, t, s, {}, lambda: noise)
    assert moved.tolist() == [[1, MASK, 1, MASK]]


@each_token_method
def test_given_elements_never_move_and_the_rest_follows_them(method):
    """Infilling: the law given the known elements, for the methods that are exact."""
    given = torch.tensor([False, True, False])
    x = hidden(2000)
    x[:, 1] = 1
    seeds = range(2000)
    steps = 100 if method is TOKEN_METHODS["remask"] else 40
    grids = row_grids(method, PATH, falling(steps), given.expand(2000, 3), seeds)
    if method is TOKEN_METHODS["first-hitting"]:
        assert {len(grid) for grid in grids} == {3}
    out = stepped(method, x, torch.stack(grids, 1))
    assert (out[:, 1] == 1).all()
    if method is not TOKEN_METHODS["confidence"]:
        law = torch.where(VALUES[:, 1] == 1, LAW, 0.0)
        assert pvalue(out, law / law.sum()) > 1e-3


@each_token_method
def test_nothing_moves_where_time_stands_still(method):
    x = torch.tensor([[MASK, 0, 1], [1, MASK, MASK]])
    for t in (1.0, 0.6, 0.0):
        time = torch.full((2,), t)
        for drawn in (0.0, 1 - 2.0**-53):
            noise = torch.full((2, 3), drawn, dtype=torch.float64)
            moved, _ = method.step(
                lambda x, t: JOINT(x, t), PATH, x, time, time, method.fresh(x), lambda noise=noise: noise
            )
            assert torch.equal(moved, x)


@each_token_method
def test_a_row_alone_is_the_row_in_any_batch(method):
    seeds, steps = [5, 2**40, 7, 5], [3, 6, 1, 3]
    x = torch.tensor([[MASK] * 3, [MASK, 1, MASK], [MASK] * 3, [MASK] * 3])

    def grids(rows):
        each = [row_grids(method, PATH, falling(steps[k]), x[k : k + 1] >= 0, [seeds[k]]) for k in rows]
        return [grid for (grid,) in each]

    together = list(trajectory(method, JOINT, PATH, x, grids(range(4)), None, seeds))
    assert (together[-1].x >= 0).all()
    assert torch.equal(together[-1].x[0], together[-1].x[3])
    for k in range(4):
        alone = sample(method, JOINT, PATH, x[k : k + 1], grids([k]), None, [seeds[k]])
        assert torch.equal(together[-1].x[k], alone[0])


def test_previews_of_rows_nobody_asked_about_are_what_is_known_of_them():
    x = torch.tensor([[MASK, 1, 0], [MASK, MASK, MASK]])
    method, none = TOKEN_METHODS["unmask"], torch.zeros(1)
    last = list(trajectory(method, JOINT, PATH, x, [none, falling(2)], None, [1, 2]))[-1]
    assert torch.equal(last.x[0], x[0])
    assert last.mean.shape == (2, 3, KINDS)
    assert last.mean[0].softmax(-1).tolist() == [[0.5, 0.5], [0.0, 1.0], [1.0, 0.0]]


def test_blocks_come_one_after_another_and_each_ends_before_the_next_begins():
    given = torch.zeros(10, dtype=torch.bool)
    given[[0, 4, 5, 6, 7, 9]] = True
    times = block_grid(10, 4, 5, given)
    assert (times[:, given] == 0).all()
    assert times[0, ~given].tolist() == [1.0] * 4
    assert (times.diff(dim=0) <= 0).all()
    # the second block is given; the first has 3 of the 5 steps and the third 2
    assert times[:, 1].tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0, 0, 0])
    assert times[:, 8].tolist() == pytest.approx([1, 1, 1, 1, 1 / 2, 0])
    for before, after in itertools.pairwise([1, 8]):
        assert not ((times[:, before] > 0) & (times[:, after] < 1)).any()
    with pytest.raises(ValueError, match="3 blocks need at least as many steps, not 2"):
        block_grid(12, 4, 2, torch.zeros(12, dtype=torch.bool))
    assert (block_grid(3, 2, 4, ~NONE) == 0).all()


def test_an_unknown_sampler_of_categories_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="unknown sampler 'unmaks'; did you mean 'unmask'"):
        find_token_method("unmaks")
