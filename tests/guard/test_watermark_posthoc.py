"""The second mark, in the pixels of large pictures: found again, exact odds, transparency kept."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binom

from ornstein.errors import UsageError
from ornstein.guard.watermark.code import PUBLIC_KEY
from ornstein.guard.watermark.posthoc import BITS, SMALLEST, WORDS, Posthoc, chance, needed

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("imwatermark") is None, reason="the networks come with the extra [watermark]"
)
SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def posthoc() -> Posthoc:
    return Posthoc(SECRET)


def texture(channels: int) -> np.ndarray:
    """A picture with as much of every scale as photographs have: octaves of noise, scaled up."""
    random, size = np.random.default_rng(0), (288, 256)
    octaves = [
        np.asarray(Image.fromarray(random.normal(0, 1, (2**k, 2**k)).astype(np.float32)).resize(size, 3))
        * 40
        / 1.6**k
        for k in range(2, 8)
    ]
    tint = np.array([1.0, 0.8, 0.6, 0.0])[:channels]
    picture = (128 + sum(octaves)[..., None] * tint * 2).clip(0, 255).astype(np.uint8)
    if channels == 4:
        picture[..., 3] = 255
        picture[:, :40] = 0
    return picture


@pytest.mark.parametrize("channels", [3, 4])
def test_a_word_is_found_again_and_is_hardly_to_be_seen(posthoc: Posthoc, channels: int):
    picture = texture(channels)
    made = posthoc.embed(picture, 7)
    found = posthoc.detect(made)
    assert found.hit and found.code == posthoc.word_of(7)
    assert np.abs(made.astype(int) - picture)[..., :3].mean() < 4
    assert not Posthoc(PUBLIC_KEY).detect(made).hit
    assert not posthoc.detect(picture).hit


def test_transparency_stays_and_colour_never_exceeds_it(posthoc: Posthoc):
    picture = texture(4)
    made = posthoc.embed(picture, 1)
    assert (made[..., 3] == picture[..., 3]).all()
    assert (made[..., :3] <= made[..., 3:]).all()


def test_the_same_picture_is_marked_with_the_same_bytes(posthoc: Posthoc):
    assert (posthoc.embed(texture(3), 3) == Posthoc(SECRET).embed(texture(3), 3)).all()


def test_small_pictures_are_refused(posthoc: Posthoc):
    with pytest.raises(UsageError, match="256 pixels or more, not 300 x 255"):
        posthoc.embed(np.zeros((SMALLEST - 1, 300, 3), np.uint8), 0)


def test_odds_are_the_binomials():
    assert [chance(k) for k in range(BITS + 1)] == pytest.approx(binom.sf(np.arange(BITS + 1) - 1, BITS, 0.5))
    assert needed() == 30
    assert WORDS * chance(29) > 1e-6 >= WORDS * chance(30)
