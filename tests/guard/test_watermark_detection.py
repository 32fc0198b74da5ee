"""Finding the mark: on pictures of a shipped model, never on others', and with odds that are not too small."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import norm

from ornstein.guard.watermark.code import CODES, PUBLIC_KEY, Shading
from ornstein.guard.watermark.detect import FALSE_POSITIVES, chance, detect, read
from ornstein.guard.watermark.restore import in_channels, restore, without_background
from ornstein.model import Model
from ornstein.output import to_image

SECRET = bytes(range(32))
SEEDS = [0, 1, 2, 3]
CLASSES = ["sneaker", "shirt", "bag", "coat"]


@pytest.fixture(scope="module")
def fashion() -> Model:
    return Model.load("fashion")


@pytest.fixture(scope="module")
def marked(fashion: Model) -> np.ndarray:
    made = fashion.generate(CLASSES, SEEDS, imprint=Shading(SECRET).imprint)
    return np.stack([output.array for output in made])


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    to_image(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))[..., None]


def test_marks_are_found_with_their_codes(fashion: Model, marked: np.ndarray):
    found = detect(fashion, marked, [PUBLIC_KEY, SECRET])
    assert all(reading.hit and reading.p_value < 1e-9 for reading in found)
    assert [reading.code for reading in found] == [Shading(SECRET).code_of(seed) for seed in SEEDS]
    assert {reading.key for reading in found} == {Shading(SECRET).fingerprint}


def test_marks_survive_jpeg(fashion: Model, marked: np.ndarray):
    found = detect(fashion, np.stack([jpeg(picture, 75) for picture in marked]), [SECRET])
    assert sum(reading.hit for reading in found) >= 3


def test_a_wrong_key_finds_nothing(fashion: Model, marked: np.ndarray):
    for key in (PUBLIC_KEY, SECRET[:-1] + b"\x00"):
        assert not any(reading.hit for reading in detect(fashion, marked, [key]))


def test_pictures_without_a_mark_have_none(fashion: Model):
    plain = np.stack([output.array for output in fashion.generate(CLASSES, SEEDS)])
    random = np.random.default_rng(0).integers(0, 256, plain.shape, dtype=np.uint8)
    flat = np.zeros_like(plain)
    for pictures in (plain, random, flat):
        assert not any(reading.hit for reading in detect(fashion, pictures, [PUBLIC_KEY, SECRET]))


def test_three_evaluations_are_spent(fashion: Model, marked: np.ndarray, monkeypatch):
    asked = []
    inference = Model.inference

    def counting(self, dtype=None):
        network = inference(self, dtype)

        def call(x, *rest):
            asked.append(len(x))
            return network(x, *rest)

        return call

    monkeypatch.setattr(Model, "inference", counting)
    detect(fashion, marked[:2], [SECRET])
    assert asked == [2, 2, 2]


def test_a_moved_picture_is_found_where_it_lies(fashion: Model, marked: np.ndarray):
    """The shift is read off; that every picture survives one is not claimed."""
    noise = Shading(SECRET).imprint(
        torch.randn(1, 28, 28, 1, generator=torch.Generator().manual_seed(0)), [9]
    )
    moved = np.roll(noise.double().numpy(), (1, -1), (1, 2))
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    (found,) = read(moved, [SECRET], moves)
    assert found.hit and found.shift == (1, -1) and found.code == Shading(SECRET).code_of(9)
    assert not read(moved, [SECRET])[0].hit


def test_every_code_key_move_and_model_is_paid_for():
    noise = np.random.default_rng(0).standard_normal((1, 8, 8, 1))
    (alone,) = read(noise, [SECRET])
    assert alone.p_value == min(1.0, CODES * chance(alone.score))
    marked = Shading(SECRET).imprint(torch.from_numpy(noise).float(), [1]).double().numpy()
    (one,) = read(marked, [SECRET])
    assert read(marked, [SECRET], models=3)[0].p_value == pytest.approx(3 * one.p_value, rel=1e-3)
    assert read(marked, [SECRET, PUBLIC_KEY])[0].p_value == pytest.approx(2 * one.p_value, rel=1e-3)
    assert read(marked, [SECRET], [(0, 0), (0, 1)])[0].p_value == pytest.approx(2 * one.p_value, rel=1e-3)


def test_odds_are_never_too_small():
    """Coins weighted unevenly, each count of eight exactly: the bound holds for every score they can have."""
    for weights in (np.ones(12), np.arange(1, 13.0), np.array([9.0] + [1.0] * 11)):
        coins = 2 * ((np.arange(4096)[:, None] >> np.arange(12)) & 1) - 1
        scores = np.sort(coins @ weights / np.linalg.norm(weights))[::-1]
        exact = (scores >= scores[:, None] - 1e-9).mean(1)
        assert all(chance(score - 1e-9) >= share for score, share in zip(scores, exact, strict=True))
    assert chance(5.0) < 3.2 * norm.sf(5.0)


def test_p_values_of_unrelated_noise_are_those_of_coins():
    drawn = np.random.default_rng(1).laplace(size=(60, 16, 16, 1))
    p = np.array([reading.p_value for reading in read(drawn, [SECRET])])
    assert (p <= 0.2).sum() <= norm.isf(1e-3) * (60 * 0.2 * 0.8) ** 0.5 + 60 * 0.2
    assert p.min() > FALSE_POSITIVES


def test_what_is_behind_a_picture_is_taken_out_and_holes_stay():
    picture = np.full((32, 32, 3), (250, 250, 255), np.uint8)
    picture[8:24, 8:24] = (200, 30, 30)
    picture[14:18, 14:18] = (250, 250, 255)  # inside, the same colour is the picture's own
    picture[2, 2] = (240, 255, 250)  # as JPEG leaves it
    found = without_background(picture)
    assert (found[..., 3] == 255).sum() == 16 * 16
    assert not found[found[..., 3] == 0].any()
    assert (found[8:24, 8:24, :3] == picture[8:24, 8:24]).all()


def test_a_picture_that_was_flattened_comes_back_as_it_was():
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[10:50, 20:40] = (90, 140, 30, 255)
    opaque = np.asarray(to_image(picture, "#ffffff").convert("RGBA"))
    assert (restore(opaque, 64, 4)[0] == picture).all()


@pytest.mark.parametrize("side", [1, 27, 54, 58, 63, 64, 65, 256])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_size_is_made_the_models(side, channels):
    picture = np.random.default_rng(side).integers(0, 256, (side, side, 4), dtype=np.uint8)
    picture[..., :3] = np.minimum(picture[..., :3], picture[..., 3:])
    restored, moves = restore(picture, 64, channels)
    assert restored.shape == (64, 64, channels) and restored.dtype == np.uint8
    assert (0, 0) in moves
    if channels == 4:
        assert (restored[..., :3] <= restored[..., 3:]).all()


def test_a_cut_picture_is_looked_for_at_every_place_it_can_have_had():
    whole = np.random.default_rng(0).integers(0, 256, (64, 64, 1), dtype=np.uint8)
    for top, left in ((0, 0), (3, 3), (6, 1)):
        cut = np.asarray(Image.fromarray(whole[top : top + 58, left : left + 58, 0]).convert("RGBA"))
        restored, moves = restore(cut, 64, 1)
        down, right = 3 - top, 3 - left
        assert (down, right) in moves
        back = np.roll(restored, (-down, -right), (0, 1))
        assert (back[top : top + 58, left : left + 58] == whole[top : top + 58, left : left + 58]).all()


def test_colour_lies_on_white_and_grey_on_black():
    clear = np.zeros((4, 4, 4), np.uint8)
    assert (in_channels(clear, 3) == 255).all()
    assert (in_channels(clear, 1) == 0).all()


def test_a_marked_picture_replays_to_the_same_bytes(fashion: Model):
    shading = Shading(SECRET)
    (first,) = fashion.generate("bag", [5], imprint=shading.imprint)
    again = fashion.replay(first.record, shading.imprint)
    assert (again.array == first.array).all()
    assert (fashion.replay(first.record).array != first.array).any()
