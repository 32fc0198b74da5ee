"""The pattern in finished pixels: found after what happens to pictures, honest odds, little and bounded change."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ornstein.errors import UsageError
from ornstein.guard.watermark.cells import CELLS, LENIENT, STRICT, Care, votes_of
from ornstein.guard.watermark.code import PUBLIC_KEY
from ornstein.guard.watermark.layers import in_pixels
from ornstein.guard.watermark.pattern import BUSY, FLAT, MOST, SMALLEST, Pattern
from ornstein.guard.watermark.wear import compressed, unworn, worn
from ornstein.output import to_image

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks are no part of the package

from benchmarks.guard.attacks import ATTACKS, jpeg

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


def after(picture: np.ndarray, how: str) -> np.ndarray:
    return np.asarray(ATTACKS[how](to_image(picture)).convert("RGBA").convert("RGBa"))


@pytest.mark.parametrize("how", [*WEAR, "screenshot, 150%"])
def test_flat_drawings_are_found_after(how: str):
    marking, shifts = Pattern(SECRET), [(0, 0), (1, 1)]
    for number in range(4):
        made = marking.embed(drawn(number))
        found = marking.detect(after(made, how), shifts)
        assert found.hit
        assert found.code == marking.detect(made).code


@pytest.mark.parametrize("how", WEAR[:-1])
def test_shaded_grey_pictures_are_found_after(garments: np.ndarray, how: str):
    marking = Pattern(SECRET)
    read = [marking.detect(after(marking.embed(x), how)) for x in garments]
    assert sum(r.hit for r in read) >= len(read) - 1


@pytest.fixture(scope="module")
def garments() -> np.ndarray:
    """Shaded garments, uint8 (6, 48, 48, 1): a bright body on black with folds and grain."""
    random, (down, right) = np.random.default_rng(0), np.mgrid[:48, :48]
    bodies = [(abs(right - 23.5) < 12 + n) & (abs(down - 23.5) < 20) for n in range(6)]
    folds = [150 + 30 * np.sin(right / (2 + n)) + random.normal(0, 4, (48, 48)) for n in range(6)]
    return np.where(bodies, folds, 0).clip(0, 255).astype(np.uint8)[..., None]


@pytest.mark.parametrize("shape", [(300, 300), (150, 260)])
def test_large_and_oblong_pictures_are_marked_too(shape: tuple[int, int]):
    marking = Pattern(SECRET)
    picture = np.full((*shape, 3), 160, np.uint8)
    made = marking.embed(picture)
    scaled = Image.fromarray(made).resize((shape[1] // 2, shape[0] // 2), Image.Resampling.BICUBIC)
    found = marking.detect(np.asarray(scaled))
    assert found.hit
    assert found.code == marking.detect(made).code


def test_other_keys_and_pictures_without_a_mark_show_chance_only(garments: np.ndarray):
    made = [Pattern(SECRET).embed(drawn(number)) for number in range(4)]
    p_values = [Pattern(PUBLIC_KEY).detect(x).p_value for x in made]
    p_values += [Pattern(bytes([n]) * 32).detect(x).p_value for n in range(3) for x in [drawn(0), *garments]]
    assert min(p_values) > 1e-3
    assert np.mean(np.array(p_values) <= 0.1) <= 0.2
    assert Pattern(SECRET).detect(np.full((64, 64, 3), 255, np.uint8)).p_value == 1


def test_change_is_bounded_and_transparency_stays():
    picture = drawn(1)
    made = Pattern(SECRET).embed(picture)
    change = np.abs(made.astype(int) - picture)
    assert (made[..., 3] == picture[..., 3]).all()
    assert (made[..., :3] <= made[..., 3:]).all()
    assert 0 < change.max() <= MOST
    flat = change[26:30, 40:56]  # far from every edge
    assert flat.max() <= FLAT + BUSY


def test_the_same_picture_and_key_give_the_same_bytes():
    made = Pattern(SECRET).embed(drawn(2))
    assert (Pattern(SECRET).embed(drawn(2)) == made).all()
    assert (Pattern(PUBLIC_KEY).embed(drawn(2)) != made).any()


def test_pictures_get_the_code_that_they_show_most_already(garments: np.ndarray):
    marking = Pattern(SECRET)
    ranks = []
    for picture in garments:
        code, seen = marking.detect(marking.embed(picture)).code, picture[None, :, :, 0].astype(np.float32)
        scores = marking._codes @ votes_of(seen, STRICT)[0].ravel()
        ranks.append((scores > scores[code]).mean())
    assert np.mean(ranks) < 0.25  # 0.5 by chance


@pytest.mark.parametrize("care", [STRICT, LENIENT])
def test_votes_grow_as_is_said_where_the_picture_is_flat(care: Care):
    random = np.random.default_rng(0)
    seen = np.kron(random.normal(128, 0.5, (1, CELLS, CELLS)), np.ones((2, 2))).astype(np.float32)
    step = np.kron(random.normal(0, 0.5, (1, CELLS, CELLS)), np.ones((2, 2))).astype(np.float32)
    rise = random.normal(size=(1, CELLS, CELLS)).astype(np.float32)
    votes, owed = votes_of(seen, care)
    grown = (rise * (votes_of(seen + step, care)[0] - votes)).sum()
    assert np.isclose((owed(rise) * step).sum(), grown, rtol=0.05)


def test_blur_is_followed_back():
    random = np.random.default_rng(0)
    seen, step, rise = random.normal(128, 20, (3, 64, 64)).astype(np.float32)
    grown = (rise * (worn(seen + step) - worn(seen))[1]).sum()
    assert np.isclose((unworn(np.stack([0 * rise, rise])) * step).sum(), grown, rtol=1e-3)


@pytest.mark.parametrize("quality", [42, 75])
def test_compression_is_that_of_the_library(quality: int):
    random = np.random.default_rng(0)
    grey = (120 + 40 * np.sin(np.arange(30) / 3) + random.normal(0, 8, (30, 30))).astype(np.uint8)
    image = jpeg(Image.fromarray(grey), quality).convert("L")
    difference = compressed(grey.astype(np.float32), quality) - np.asarray(image, np.float32)
    assert np.abs(difference).mean() < 1


def test_small_pictures_are_refused():
    with pytest.raises(UsageError, match="48 pixels or more, not 50 x 47"):
        Pattern(SECRET).embed(np.zeros((SMALLEST - 1, 50, 3), np.uint8))


def test_files_are_looked_at_with_every_key(tmp_path: Path):
    file = tmp_path / "made.jpg"
    made = Pattern(SECRET).embed(drawn(3))
    ATTACKS["JPEG 75"](to_image(made)).save(file, quality=75)
    (layer,) = in_pixels(file, [PUBLIC_KEY, SECRET])
    assert layer.layer == "pattern"
    assert layer.code == Pattern(SECRET).detect(made).code
    to_image(drawn(3)).save(tmp_path / "plain.png")
    assert not list(in_pixels(tmp_path / "plain.png", [PUBLIC_KEY, SECRET]))
