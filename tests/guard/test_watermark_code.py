"""The code in the noise: which noise it leaves, whose it is, and that nothing but key and seed decides it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from scipy.stats import kstest

from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.watermark.code import (
    CODES,
    HIGHEST,
    PUBLIC_KEY,
    Shading,
    carriers,
    fingerprint,
    marks,
    read_key,
    spectrum,
)
from ornstein.process.noise import row_noise
from ornstein.sample.registry import METHODS

SECRET = bytes(range(32))
SHAPES = [(28, 28, 1), (64, 64, 4), (8, 12, 2), (80, 72, 3)]


def noise(seeds: list[int], shape: tuple[int, ...] = (8, 8, 2)) -> torch.Tensor:
    return row_noise(seeds, 0, torch.empty(len(seeds), *shape))


def transformed(values: np.ndarray) -> np.ndarray:
    return np.asarray(dctn(values, axes=(0, 1), norm="ortho"))


@pytest.mark.parametrize("shape", SHAPES)
def test_signs_become_the_code_and_nothing_else_changes(shape):
    plain = noise([3], shape)
    made = Shading(SECRET).imprint(plain, [3])
    low = tuple(slice(side) for side in carriers(shape))
    before, after = (transformed(x[0].double().numpy()) for x in (plain, made))
    assert np.array_equal(np.sign(after[low]), Shading(SECRET).signs(Shading(SECRET).code_of(3), shape))
    assert np.abs(after[low]) == pytest.approx(np.abs(before[low]), abs=1e-5)
    after[low] = before[low]
    assert after == pytest.approx(before, abs=1e-5)


def test_coefficients_are_the_orthonormal_cosine_transform():
    x = np.random.default_rng(0).standard_normal((80, 72, 3))
    assert spectrum(x) == pytest.approx(transformed(x)[:HIGHEST, :HIGHEST], abs=1e-10)


def test_marked_noise_is_standard_normal_over_seeds():
    seeds = list(range(4000))
    made = Shading(SECRET).imprint(noise(seeds), seeds).flatten(1).double()
    assert kstest(made.ravel().numpy(), "norm").pvalue > 1e-3
    covariance = made.T @ made / len(seeds)
    off = covariance - torch.eye(covariance.shape[0])
    assert off.abs().max() < 6 / len(seeds) ** 0.5  # 128 x 128 numbers of deviation 1 / sqrt(4000)
    assert made.mean(0).abs().max() < 5 / len(seeds) ** 0.5


def test_codes_are_drawn_evenly():
    shading = Shading(SECRET)
    counts = np.bincount([shading.code_of(seed) for seed in range(40 * CODES)], minlength=CODES)
    assert abs(((counts - 40) ** 2 / 40).sum() - CODES) < 5 * (2 * CODES) ** 0.5  # chi-squared


def test_codes_of_one_key_and_of_two_keys_are_unrelated():
    shape = (28, 28, 1)
    mine, others = (Shading(key).all_signs(shape).astype(np.float32) for key in (SECRET, PUBLIC_KEY))
    bound = 6.5 / mine.shape[1] ** 0.5
    agreement = mine @ mine.T / mine.shape[1]
    np.fill_diagonal(agreement, 0)
    assert np.abs(agreement).max() < bound
    assert np.abs(mine @ others.T / mine.shape[1]).max() < bound


def test_a_row_is_the_same_alone_and_in_any_batch():
    shading, seeds = Shading(SECRET), [5, 2**40, 7]
    together = shading.imprint(noise(seeds), seeds)
    for row, seed in enumerate(seeds):
        assert torch.equal(shading.imprint(noise([seed]), [seed])[0], together[row])


def test_key_and_seed_decide_the_code_for_ever():
    """A change here would make every mark ever made unreadable."""
    assert fingerprint(PUBLIC_KEY) == "96c549f5f3266552"
    assert [Shading(PUBLIC_KEY).code_of(seed) for seed in (0, 1, 2**53 - 1)] == [695, 422, 1842]
    assert Shading(PUBLIC_KEY).signs(695, (28, 28, 1)).ravel()[:8].tolist() == [-1, -1, 1, -1, 1, -1, 1, -1]
    assert Shading(SECRET).mark(1).key == fingerprint(SECRET)


def test_only_samplers_without_noise_of_their_own_keep_the_mark():
    assert {name for name in METHODS if not marks(name)} == {n for n, m in METHODS.items() if m.stochastic}
    assert marks("fitted")
    with pytest.raises(UsageError, match="did you mean 'ddim'"):
        marks("dimm")


@pytest.mark.parametrize("length", [0, 31, 5000])
def test_a_key_of_the_wrong_length_is_refused(tmp_path: Path, length):
    (tmp_path / "key").write_bytes(b"x" * length)
    with pytest.raises(UsageError, match="needs 32 to 4,096 random ones"):
        read_key(tmp_path / "key")


def test_a_missing_key_is_an_error_and_none_is_the_public_one(tmp_path: Path):
    with pytest.raises(OrnsteinError, match="cannot read the watermark key"):
        read_key(tmp_path / "none")
    with pytest.raises(OrnsteinError, match="cannot read the watermark key"):
        read_key(tmp_path)
    with pytest.raises(UsageError, match="at least 32 bytes"):
        Shading(b"short")
    assert read_key(None) == PUBLIC_KEY
