"""Laying one picture over another, keeping small ones, and telling copies from others."""

from __future__ import annotations

import math

import numpy as np
import torch

from ornstein.guard.trace.align import aligned, luma, warped
from ornstein.guard.trace.likeness import SIDE, compared
from ornstein.guard.trace.thumbnails import Thumbnails
from ornstein.guard.trace.verifying import Pairs, fitted
from tests.guard.traced import drawing


def seen(count: int) -> torch.Tensor:
    """Drawings before white, (N, 3, SIDE, SIDE) in [-1, 1]."""
    x = torch.from_numpy(np.stack([drawing(seed) for seed in range(count)])).movedim(-1, 1).float() / 255
    return (x[:, :3] + 1 - x[:, 3:]) * 2 - 1


def test_a_turn_a_shift_and_another_scale_are_undone() -> None:
    pictures = torch.nn.functional.avg_pool2d(seen(24), 3, 1, 1)  # Lucas and Kanade follow slopes, not steps
    cos, sin = 1.08 * math.cos(0.1), 1.08 * math.sin(0.1)
    done = torch.tensor([[cos, -sin, 0.08], [sin, cos, -0.06]]).expand(24, 2, 3)
    moved = 0.7 * warped(pictures, done) - 0.1  # darker, too
    back = warped(moved, aligned(moved, pictures))
    before, after = (
        torch.stack([torch.corrcoef(torch.stack([a, b]))[0, 1] for a, b in zip(x, y, strict=True)])
        for x, y in (
            (luma(moved).flatten(1), luma(pictures).flatten(1)),
            (luma(back).flatten(1), luma(pictures).flatten(1)),
        )
    )
    assert before.median() < 0.8
    assert after.median() > 0.9  # a third of such drawings stay apart: too few slopes to follow


def test_a_pair_is_compared_alone_as_in_a_batch() -> None:
    pictures = seen(6)
    together, alone = compared(pictures, pictures.roll(1, 0)), compared(pictures[2:3], pictures[1:2])
    torch.testing.assert_close(together[2:3], alone, atol=1e-3, rtol=1e-3)
    assert torch.isfinite(compared(torch.ones(1, 3, SIDE, SIDE), pictures[:1])).all()


def test_what_has_few_colours_comes_back_as_it_was() -> None:
    """Eight colours fit into a palette of three bits: nothing is lost, whatever the order of planes and pixels."""
    random = np.random.default_rng(0)
    palette = torch.from_numpy(random.integers(0, 256, (8, 3))).float() / 127.5 - 1
    numbers = torch.from_numpy(random.integers(0, 8, (5, 23, 23)))
    numbers[:, 0, :8] = torch.arange(8)
    pictures = palette[numbers].movedim(-1, 1)
    kept = Thumbnails.of(pictures, 23, 3)
    torch.testing.assert_close(kept.pictures(23), pictures, atol=0.01, rtol=0)
    torch.testing.assert_close(kept[[3, 1]].pictures(23), pictures[[3, 1]], atol=0.01, rtol=0)


def test_a_verifier_learns_what_sets_the_right_candidate_apart() -> None:
    random = torch.Generator().manual_seed(0)
    right = torch.zeros(600, 4, dtype=torch.bool)
    right[torch.arange(500), torch.randint(0, 4, (500,), generator=random)] = (
        True  # the last hundred have none
    )
    numbers = torch.randn(600, 4, 9, generator=random)
    numbers[..., 5] += 6 * right
    network = fitted(Pairs(numbers[100:].half(), right[100:], ~right[100:]))
    odds = network(numbers)
    assert (odds[:100].argmax(1) == right[:100].long().argmax(1)).float().mean() > 0.97
    assert odds[500:].amax(1).quantile(0.9) < odds[:100].amax(1).quantile(0.1)
