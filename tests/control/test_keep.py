"""What may not change comes through every sampler untouched, and is as noisy as the rest on the way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ornstein.control.keep import Keep, free
from ornstein.control.source import Source
from ornstein.errors import UsageError
from ornstein.process.gaussian import Flow
from ornstein.process.times import UniformGrid
from ornstein.sample.loop import trajectory
from ornstein.sample.registry import find_method
from tests.common import each_method, each_path, gaussian, normal

PATH = Flow()


def half(side: int = 4) -> np.ndarray:
    """The right half may change."""
    mask = np.zeros((side, side), bool)
    mask[:, side // 2 :] = True
    return mask


def keep(path=PATH) -> Keep:
    clean, noise = normal(2, 4, 4, 3), normal(2, 4, 4, 3, seed=1)
    sources = [Source(np.zeros((4, 4, 3), np.uint8), half()), None]
    return Keep(path, clean, noise, free(sources, (4, 4, 3)))


@each_path
def test_what_stays_is_the_picture_as_noisy_as_its_time(path):
    kept, x, s = keep(path), normal(1, 4, 4, 3, seed=2), torch.tensor([0.3])
    out, at = kept(x, s, torch.tensor([0])), path(s)
    expected = at.alpha * kept.clean[0] + at.sigma * kept.noise[0]
    torch.testing.assert_close(out[0, :, :2], expected[:, :2])
    assert torch.equal(out[0, :, 2:], x[0, :, 2:])
    assert torch.equal(kept(x, s, torch.tensor([1])), x)  # the second row has no mask


@each_method
def test_every_sampler_ends_with_it_as_it_was(method):
    kept = keep()
    states = list(
        trajectory(
            method, gaussian(PATH), PATH, normal(2, 4, 4, 3, seed=3), UniformGrid().times(6, PATH), None, [1, 2], kept
        )
    )  # fmt: skip
    assert torch.equal(states[-1].x[0, :, :2], kept.clean[0, :, :2])
    assert not torch.equal(states[-1].x[0, :, 2:], kept.clean[0, :, 2:])


def test_rows_that_finish_earlier_keep_their_own():
    kept, method = keep(), find_method("ddim")
    both = Keep(PATH, kept.clean, kept.noise, kept.free[[0, 0]])
    ways = [UniformGrid().times(count, PATH) for count in (3, 6)]
    *_, last = trajectory(method, gaussian(PATH), PATH, normal(2, 4, 4, 3, seed=3), ways, None, [1, 2], both)
    assert torch.equal(last.x[:, :, :2], both.clean[:, :, :2])


def test_a_latent_may_change_where_any_of_its_pixels_may():
    mask = np.zeros((8, 8), bool)
    mask[5, 2] = True
    found = free([Source(np.zeros((8, 8, 3), np.uint8), mask)], (2, 2, 16))
    assert found[0, ..., 0].tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize(("strength", "skipped"), [(1.0, 0), (0.6, 8), (0.5, 10), (0.01, 19)])
def test_strength_is_the_share_of_steps_that_are_taken(strength, skipped):
    assert Source(np.zeros((4, 4, 3), np.uint8), strength=strength).skipped(20) == skipped


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"strength": 0.0}, "strength"),
        ({"strength": 1.5}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"mask": np.ones((3, 4), bool)}, "one size"),
        ({"mask": np.zeros((4, 4), bool)}, "nothing change"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(values, words):
    with pytest.raises(UsageError, match=words):
        Source(np.zeros((4, 4, 3), np.uint8), **values)
