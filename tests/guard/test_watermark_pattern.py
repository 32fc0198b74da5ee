"""The pattern in finished pixels: found after what happens to pictures, honest odds, little and bounded change."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ornstein.errors import UsageError
from ornstein.guard.watermark.code import PUBLIC_KEY, Shading
from ornstein.guard.watermark.layers import in_pixels
from ornstein.guard.watermark.pattern import BUSY, FLAT, MOST, SMALLEST, Pattern, _compressed, _seen
from ornstein.output import to_image

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks are no part of the package

from benchmarks.guard.attacks import ATTACKS

SECRET = bytes(range(32))
WEAR = [
    "as it is (PNG)",
    "JPEG 75",
    "JPEG 50",
    "scaled to 75% and back",
    "blurred, 1 pixel",
    "moved by 1 pixel",
]


def drawn(number: int, size: int = 64) -> np.ndarray:
    """Flat shapes before nothing, premultiplied uint8 (size, size, 4)."""
    colour = [(221, 46, 68), (85, 172, 238), (255, 204, 77), (119, 178, 85)][number % 4]
    image = Image.new("RGBA", (4 * size, 4 * size))
    draw = ImageDraw.Draw(image)
    draw.ellipse((16, 16, 4 * size - 16, 4 * size - 16), colour)
    draw.rectangle((size, size + 40 * (number % 3), 2 * size, 3 * size), (255, 255, 255))
    return np.asarray(image.resize((size, size), Image.Resampling.BOX).convert("RGBa"))


def worn(picture: np.ndarray, how: str) -> np.ndarray:
    return np.asarray(ATTACKS[how](to_image(picture)).convert("RGBA").convert("RGBa"))


@pytest.mark.parametrize("how", [*WEAR, "screenshot, 150%"])
def test_flat_drawings_are_found_after(how: str):
    marking, shifts = Pattern(SECRET), [(0, 0), (1, 1)]
    for seed in range(4):
        found = marking.detect(worn(marking.embed(drawn(seed), seed), how), shifts)
        assert found.hit and found.code == Shading(SECRET).code_of(seed)


@pytest.mark.parametrize("how", WEAR[:-1])
def test_small_grey_pictures_are_found_after(fashion: np.ndarray, how: str):
    marking = Pattern(SECRET)
    read = [marking.detect(worn(marking.embed(x, seed), how)) for seed, x in enumerate(fashion)]
    right = [r.hit and r.code == Shading(SECRET).code_of(seed) for seed, r in enumerate(read)]
    assert sum(right) >= len(right) - 1


@pytest.fixture(scope="module")
def fashion() -> np.ndarray:
    """Shaded garments, uint8 (6, 28, 28, 1): a bright body on black with folds and grain."""
    random, (down, right) = np.random.default_rng(0), np.mgrid[:28, :28]
    bodies = [(abs(right - 13.5) < 6 + n) & (abs(down - 13.5) < 12) for n in range(6)]
    folds = [150 + 30 * np.sin(right / (1 + n)) + random.normal(0, 6, (28, 28)) for n in range(6)]
    return np.where(bodies, folds, 0).clip(0, 255).astype(np.uint8)[..., None]


@pytest.mark.parametrize("shape", [(300, 300), (150, 260)])
def test_large_and_oblong_pictures_are_marked_too(shape: tuple[int, int]):
    marking = Pattern(SECRET)
    picture = np.full((*shape, 3), 160, np.uint8)
    made = marking.embed(picture, 5)
    scaled = Image.fromarray(made).resize((shape[1] // 2, shape[0] // 2), Image.Resampling.BICUBIC)
    found = marking.detect(np.asarray(scaled))
    assert found.hit and found.code == Shading(SECRET).code_of(5)


def test_other_keys_and_pictures_without_a_mark_show_chance_only(fashion: np.ndarray):
    made = [Pattern(SECRET).embed(drawn(seed), seed) for seed in range(4)]
    p_values = [Pattern(PUBLIC_KEY).detect(x).p_value for x in made]
    p_values += [Pattern(bytes([n]) * 32).detect(x).p_value for n in range(3) for x in [drawn(0), *fashion]]
    assert min(p_values) > 1e-3
    assert np.mean(np.array(p_values) <= 0.1) <= 0.2
    assert Pattern(SECRET).detect(np.full((64, 64, 3), 255, np.uint8)).p_value == 1


def test_change_is_bounded_and_transparency_stays():
    picture = drawn(1)
    made = Pattern(SECRET).embed(picture, 1)
    change = np.abs(made.astype(int) - picture)
    assert (made[..., 3] == picture[..., 3]).all()
    assert (made[..., :3] <= made[..., 3:]).all()
    assert 0 < change.max() <= MOST
    flat = change[26:30, 40:56]  # far from every edge
    assert flat.max() <= FLAT + BUSY


def test_the_same_picture_key_and_seed_give_the_same_bytes():
    made = Pattern(SECRET).embed(drawn(2), 9)
    assert (Pattern(SECRET).embed(drawn(2), 9) == made).all()
    assert (Pattern(SECRET).embed(drawn(2), 10) != made).any()
    assert (Pattern(PUBLIC_KEY).embed(drawn(2), 9) != made).any()


def test_compression_is_that_of_the_library():
    random = np.random.default_rng(0)
    grey = (120 + 40 * np.sin(np.arange(30) / 3) + random.normal(0, 8, (30, 30))).astype(np.uint8)
    image = ATTACKS["JPEG 75"](Image.fromarray(grey)).convert("L")
    difference = _compressed(_seen(grey[..., None]), 75) - np.asarray(image, np.float32)
    assert np.abs(difference).mean() < 1


def test_small_pictures_are_refused():
    with pytest.raises(UsageError, match="24 pixels or more, not 30 x 23"):
        Pattern(SECRET).embed(np.zeros((SMALLEST - 1, 30, 3), np.uint8), 0)


def test_files_are_looked_at_with_every_key(tmp_path: Path):
    file = tmp_path / "made.jpg"
    ATTACKS["JPEG 75"](to_image(Pattern(SECRET).embed(drawn(3), 3))).save(file, quality=75)
    (layer,) = in_pixels(file, [PUBLIC_KEY, SECRET])
    assert layer.layer == "pattern" and layer.code == Shading(SECRET).code_of(3)
    to_image(drawn(3)).save(tmp_path / "plain.png")
    assert not list(in_pixels(tmp_path / "plain.png", [PUBLIC_KEY, SECRET]))
