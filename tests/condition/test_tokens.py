"""Conditions as batches: rows are picked, stacked and dropped, and an empty one is the learned null."""

from __future__ import annotations

import torch

from ornstein.condition.tokens import TokenEmbedder, Tokens
from tests.common import normal

ROWS = [normal(n, 6, seed=n).float() for n in (3, 0, 5)]


def batch(length: int = 5) -> Tokens:
    return Tokens.stack(ROWS, length, 6)


def assert_same(one: Tokens, other: Tokens) -> None:
    assert torch.equal(one.states, other.states)
    assert torch.equal(one.mask, other.mask)


def test_stacking_keeps_each_row_and_pads_with_nothing():
    tokens = batch()
    for k, row in enumerate(ROWS):
        assert torch.equal(tokens.states[k, : len(row)], row)
        assert tokens.mask[k].tolist() == [True] * len(row) + [False] * (5 - len(row))
        assert not tokens.states[k, len(row) :].any()
    assert torch.equal(batch(2).states[2], ROWS[2][:2])


def test_joining_what_was_selected_gives_the_batch_again():
    short = Tokens.stack(ROWS[:2], 3, 6)
    assert_same(short.join(batch().select(torch.tensor([2]))), batch())
    assert_same(batch().select(torch.tensor([2])).join(short), batch().select(torch.tensor([2, 0, 1])))


def test_padding_never_shortens():
    assert_same(batch().pad(3), batch())
    assert_same(batch().pad(9), batch(9))


def test_trimming_takes_away_what_no_row_needs_and_nothing_else():
    assert_same(batch(9).trimmed(), batch())
    assert_same(batch(9).trimmed().pad(9), batch(9))
    used = batch().mask.shape[1]
    for multiple in range(1, 12):
        kept = batch(9).trimmed(multiple)
        length = kept.mask.shape[1]
        assert length == 9 or (length % multiple == 0 and used <= length < used + multiple)
        assert_same(kept.pad(9), batch(9))
    assert Tokens.stack([torch.zeros(0, 6)] * 2, 4, 6).trimmed().mask.shape == (2, 1)
    dropped = batch(9).drop(torch.tensor([False, False, True])).trimmed()
    assert dropped.mask.sum(1).tolist() == [3, 0, 0]
    assert dropped.states.shape == (3, 3, 6)


def test_a_dropped_row_is_embedded_as_the_null_condition():
    torch.manual_seed(0)
    embedder = TokenEmbedder(6, 4)
    dropped = batch().drop(torch.tensor([True, False, False]))
    tokens, mask = embedder(dropped.states, dropped.mask)
    assert mask.sum(1).tolist() == [1, 1, 5]
    assert torch.equal(tokens[0, 0], embedder.null)
    assert torch.equal(tokens[1, 0], embedder.null)
    kept, _ = embedder(batch().states, batch().mask)
    assert torch.equal(tokens[2], kept[2])


def test_the_null_condition_learns_from_empty_rows_alone():
    embedder = TokenEmbedder(6, 4)
    for rows, learns in ((torch.tensor([0, 2]), False), (torch.tensor([1]), True)):
        embedder.zero_grad()
        part = batch().select(rows)
        tokens, mask = embedder(part.states, part.mask)
        tokens[mask].sum().backward()
        assert (embedder.null.grad is not None and bool(embedder.null.grad.any())) == learns
