"""Laws of the network of sequences: who sees whom, one pass for all blocks, what is kept, and the bound."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from ornstein.denoise.product import FieldsDenoiser
from ornstein.net.dit import TransformerConfig
from ornstein.net.sequence import Order, SequenceConfig, SequenceNetwork
from ornstein.process.masked import MASK, Masked
from ornstein.sample.blocks import block_grid, row_grids
from ornstein.sample.loop import sample_last, trajectory
from ornstein.sample.registry import TOKEN_METHODS
from ornstein.train.objective import fields_loss
from ornstein.train.texts import hidden, orders
from ornstein.writing import Blockwise, ranks_of

LENGTH, KINDS = 5, 4  # token 0 is the start, which is never generated


@pytest.fixture(scope="module")
def network() -> SequenceNetwork:
    torch.manual_seed(3)
    shape = TransformerConfig(width=32, depth=2, heads=2, axes=1)
    made = SequenceConfig(transformer=shape, context=16).build(KINDS)
    for parameter in made.parameters():  # fresh gates are closed: nothing would depend on anything
        torch.nn.init.normal_(parameter, std=0.4)
    return made.eval()


def logits(network: SequenceNetwork, z: list[int], ranks: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return network(torch.tensor([z]), torch.zeros(1), Order(torch.tensor([ranks])))[0]


def test_a_token_sees_its_own_rank_and_lower_ones_and_nothing_else(network):
    ranks, base = [0, 2, 1, 1, 3], [0, 1, 2, 3, 1]
    for place in range(LENGTH):
        other = list(base)
        other[place] = 3 if base[place] != 3 else 2
        moved = (logits(network, base, ranks) - logits(network, other, ranks)).abs()[:, 1:].amax(1) > 1e-6
        assert moved.tolist() == [rank >= ranks[place] for rank in ranks]


def test_one_pass_over_all_blocks_says_what_each_block_says_alone(network):
    ranks = [0, 1, 1, 2, 2]
    clean, noisy = [0, 3, 1, 2, 3], [0, MASK, 1, MASK, MASK]
    with torch.no_grad():
        order = Order(torch.tensor([ranks]), torch.tensor([clean]))
        together = network(torch.tensor([noisy]), torch.zeros(1), order)[0]
    first = logits(network, [0, MASK, 1, MASK, MASK], ranks)
    second = logits(network, [0, 3, 1, MASK, MASK], ranks)
    torch.testing.assert_close(together[1:3], first[1:3])
    torch.testing.assert_close(together[3:], second[3:])


def test_the_start_is_never_predicted(network):
    assert torch.isneginf(logits(network, [0, MASK, MASK, 1, 2], [0, 1, 1, 1, 1])[:, 0]).all()


def exact_bound(network: SequenceNetwork, x: list[int], ranks: list[int]) -> float:
    """Mean over the orders within blocks of the surprise at each next token, by enumeration."""
    total = 0.0
    for rank in range(1, max(ranks) + 1):
        places = [k for k in range(len(x)) if ranks[k] == rank]
        every = list(itertools.permutations(places))
        for order in every:
            for count, place in enumerate(order):
                seen = [x[k] if ranks[k] < rank or k in order[:count] else MASK for k in range(len(x))]
                total -= float(logits(network, seen, ranks)[place].log_softmax(-1)[x[place]]) / len(every)
    return total


def test_the_loss_is_the_bound_of_all_orders_without_bias(network):
    x, ranks = [0, 3, 1, 2, 3], [0, 1, 1, 1, 2]
    denoiser, random, count = FieldsDenoiser(network, Masked()), np.random.default_rng(0), 3000
    every = np.tile(ranks, (count, 1))
    t, noise = hidden(random, every)
    rows = torch.tensor([x]).expand(count, -1)
    with torch.no_grad():
        loss, _ = fields_loss(
            denoiser,
            Masked(),
            rows,
            torch.from_numpy(t.astype(np.float32)),
            torch.from_numpy(noise),
            Order(torch.from_numpy(every), rows),
        )
    nats = loss.double() * 4
    error = float(nats.std()) / math.sqrt(count)
    assert abs(float(nats.mean()) - exact_bound(network, x, ranks)) < 4 * error
    assert error < 0.03 * float(nats.mean())


def test_every_number_of_hidden_tokens_comes_equally_often():
    random = np.random.default_rng(1)
    ranks = orders(random, 400, 33, 4, infill=0.5)
    t, noise = hidden(random, ranks)
    for row, times, uniforms in zip(ranks, t, noise, strict=True):
        for rank in np.unique(row):
            block = row == rank
            share = np.unique(times[block])
            assert len(share) == 1  # a block stands at one time
            assert (uniforms[block] >= 1 - share[0]).sum() == (round(share[0] * block.sum()) if rank else 0)
    whole = [
        round(times[row == rank][0] * 4)
        for row, times in zip(ranks, t, strict=True)
        for rank in np.unique(row[1:])
        if rank and (row == rank).sum() == 4
    ]
    counts = np.bincount(whole, minlength=5)[1:]
    assert np.abs(counts / counts.sum() - 0.25).max() < 0.02


def test_the_start_is_given_and_spans_only_in_their_share():
    ranks = orders(np.random.default_rng(2), 500, 40, 4, infill=0.3)
    assert (ranks[:, 0] == 0).all()
    assert 0.24 < (ranks[:, 1:] == 0).any(1).mean() < 0.36
    assert (orders(np.random.default_rng(2), 50, 40, 4, infill=0.0)[:, 1:] > 0).all()


def written(network: SequenceNetwork, start: list[int], block: int, steps: int, count: int, sampler: str):
    x = torch.tensor(start)
    given = x != MASK
    ranks, path = ranks_of(given, block), Masked()
    times = block_grid(len(x), block, steps * int(ranks.max()), given)
    seeds, method = list(range(count)), TOKEN_METHODS[sampler]
    writer = Blockwise(network, ranks)
    grids = row_grids(method, path, times.expand(count, -1, -1), given.expand(count, -1), seeds)
    with torch.no_grad():
        states = trajectory(
            method,
            FieldsDenoiser(writer, path),
            path,
            x.expand(count, -1),
            grids,
            Order(ranks.expand(count, -1)),
            seeds,
        )
        return sample_last(states), writer


def test_what_is_kept_changes_nothing(network):
    start = [0, 2, MASK, MASK, MASK, 1, MASK, MASK, 3]
    x, writer = written(network, start, block=2, steps=2, count=3, sampler="unmask")
    for row in x:
        known = [int(v) for v in row]
        ranks = ranks_of(torch.tensor(start) != MASK, 2)
        last = ranks == ranks.max()
        seen = torch.where(last, MASK, torch.tensor(known))
        fresh = Blockwise(network, ranks)
        level = torch.where(last, -20.0, 80.0)[None]
        with torch.no_grad():
            kept = fresh(seen[None], level, Order(ranks[None]))[0, last]
            whole = network(seen[None], level, Order(ranks[None]))[0, last]
        torch.testing.assert_close(kept, whole)
    assert writer.evaluations <= 2 * int(ranks.max())


@pytest.mark.parametrize(("sampler", "steps"), [("unmask", 1), ("first-hitting", 1)])
def test_one_token_a_block_draws_from_the_exact_law(network, sampler, steps):
    start, count = [0, MASK, MASK, 3], 4000
    x, writer = written(network, start, block=1, steps=steps, count=count, sampler=sampler)
    ranks = ranks_of(torch.tensor(start) != MASK, 1).tolist()
    expected, found = [], []
    first = logits(network, start, ranks)[1].softmax(-1)
    for a, b in itertools.product(range(1, KINDS), repeat=2):
        second = logits(network, [0, a, MASK, 3], ranks)[2].softmax(-1)
        expected.append(float(first[a] * second[b]))
        found.append(int(((x[:, 1] == a) & (x[:, 2] == b)).sum()))
    assert sum(found) == count
    assert stats.chisquare(found, np.array(expected) / sum(expected) * count).pvalue > 1e-3
    assert writer.evaluations == 2


def test_a_row_alone_is_the_row_in_a_batch(network):
    start = [0, 1, MASK, MASK, MASK, MASK, 2]
    many, _ = written(network, start, block=2, steps=2, count=4, sampler="unmask")
    alone, _ = written(network, start, block=2, steps=2, count=1, sampler="unmask")
    assert torch.equal(many[:1], alone)
