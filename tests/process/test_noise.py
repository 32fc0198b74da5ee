"""One seed, one sample: noise knows nothing of batch or row, and no two seeds share it."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from ornstein import rng
from ornstein.process.noise import row_noise
from ornstein.rng import stream, uniforms

BIG = [0, 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**63 + 1, 2**64, 2**96, 2**200]


def test_noise_of_a_seed_is_the_same_in_any_row_of_any_batch():
    seeds = [7, 2**63, 0, 7]
    together = row_noise(seeds, [0, 3, 1, 2], torch.empty(4, 5, 2))
    for row, (seed, draw) in enumerate(zip(seeds, [0, 3, 1, 2], strict=True)):
        assert torch.equal(together[row], row_noise([seed], draw, torch.empty(1, 5, 2))[0])


def test_numbers_do_not_depend_on_the_dtype_asked_for():
    wide, narrow = (row_noise([5], 0, torch.empty(1, 100, dtype=d)) for d in (torch.float64, torch.float32))
    assert torch.equal(wide.float(), narrow)


def test_every_seed_and_draw_has_its_own_numbers():
    """Seeds of 2^32 and more once spelled the (seed, draw) of small ones."""
    keys = list(itertools.product(BIG, [0, 1, 2]))
    rows = row_noise([seed for seed, _ in keys], [draw for _, draw in keys], torch.empty(len(keys), 4))
    assert len({tuple(row.tolist()) for row in rows}) == len(keys)


@given(
    st.tuples(st.integers(0, 2**70), st.integers(0, 2**34)),
    st.tuples(st.integers(0, 2**70), st.integers(0, 2**34)),
)
def test_streams_differ_where_keys_do(one, other):
    same = np.array_equal(stream("a", *one).random(4), stream("a", *other).random(4))
    assert same == (one == other)


@given(
    st.lists(st.tuples(st.integers(0, 2**70), st.integers(0, 2**33)), min_size=1, max_size=5),
    st.integers(0, 11),
)
def test_uniforms_of_many_keys_are_those_of_their_streams(keys, count):
    found = uniforms("noise", keys, count)
    assert np.array_equal(found, [stream("noise", *key).random(count) for key in keys])


def test_a_large_key_is_the_number_that_its_digest_spells(monkeypatch):
    """Upper zeros included: a digest that ends in 32 zero bits is as rare as it looks."""
    for digest in (bytes(range(32)), bytes(4) + bytes(range(1, 29)), bytes(31) + b"\x05"):
        monkeypatch.setattr(
            rng.hashlib, "sha256", lambda _, digest=digest: SimpleNamespace(digest=lambda: digest)
        )
        whole = np.random.Philox(np.random.SeedSequence(int.from_bytes(digest)))
        drawn = np.random.Generator(whole).random(5)
        assert np.array_equal(stream("a", 2**40).random(5), drawn)
        assert np.array_equal(uniforms("a", [(2**40, 1), (2**41, 1)], 5), [drawn, drawn])


def test_uniforms_know_every_key_that_streams_know():
    keys = [(2**32, 0), (7, 2**32 - 1), (2**63, 5), (0, 0)]
    assert np.array_equal(uniforms("a", keys, 3), [stream("a", *key).random(3) for key in keys])
    assert uniforms("a", [], 3).shape == (0, 3)
    with pytest.raises(ValueError, match="non-negative"):
        uniforms("a", [(1, -1)], 3)


def test_no_rows_have_no_noise():
    none = {"numbers": torch.empty(0, 2), "kinds": torch.empty(0, 3, dtype=torch.long)}
    assert {name: noise.shape for name, noise in row_noise([], 0, none).items()} == {
        "numbers": (0, 2), "kinds": (0, 3),
    }  # fmt: skip


def test_streams_of_two_purposes_differ_and_negative_keys_are_refused():
    assert stream("noise", 1).random() != stream("times", 1).random()
    assert stream("noise", 2**40).random() != stream("times", 2**40).random()
    with pytest.raises(ValueError, match="non-negative"):
        stream("noise", -1)


def test_noise_is_standard_normal_and_draws_are_independent():
    rows = row_noise([1, 2, 2**63], [0, 1, 0], torch.empty(3, 40_000, dtype=torch.float64))
    for row in rows:
        assert kstest(row.numpy(), "norm").pvalue > 1e-3
    assert torch.corrcoef(rows).sub(torch.eye(3)).abs().max() < 5 / 40_000**0.5


def test_fields_have_noise_of_their_own():
    like = torch.empty(2, 6)
    drawn = row_noise([1, 2], 0, {"place": like, "kind": like})
    assert not torch.equal(drawn["place"], drawn["kind"])
    assert torch.equal(drawn["place"], row_noise([1, 2], 0, {"place": like})["place"])


def test_rows_and_seeds_must_match():
    with pytest.raises(ValueError, match="2 seeds for 3 rows"):
        row_noise([1, 2], 0, torch.empty(3, 4))
    assert row_noise([], 0, torch.empty(0, 4)).shape == (0, 4)
