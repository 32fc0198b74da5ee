"""Premultiplied arithmetic: exact where it can be, hand-computed where it must round."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ornstein.data import pixels

from .conftest import random_picture


def test_every_colour_at_every_alpha_survives_the_round_trip() -> None:
    alpha, colour = np.mgrid[0:256, 0:256]
    colour = np.minimum(colour, alpha)  # premultiplied: a colour never exceeds its alpha
    picture = np.stack([colour, colour, colour, alpha], axis=-1).astype(np.uint8)
    assert np.array_equal(pixels.premultiply(pixels.unpremultiply(picture)), picture)


def test_premultiplication_rounds_to_nearest() -> None:
    straight = np.array([[[255, 100, 1, 128]]], dtype=np.uint8)
    assert pixels.premultiply(straight).tolist() == [[[128, 50, 1, 128]]]  # 50.2, 0.502


def test_a_hidden_colour_does_not_bleed_into_the_average() -> None:
    # One opaque red pixel among three transparent ones that hide pure green.
    straight = np.zeros((1, 2, 2, 4), dtype=np.uint8)
    straight[..., 1] = 255
    straight[0, 0, 0] = (200, 0, 0, 255)
    mean = pixels.area(pixels.premultiply(straight), 1)
    assert mean.tolist() == [[[[50, 0, 0, 64]]]]  # 200 / 4, and 255 / 4 = 63.75


def test_area_average_by_a_ratio_that_is_not_whole() -> None:
    # 3 -> 2: the first output covers pixel 0 and half of pixel 1, so (2 * a + b) / 3.
    row = np.array([0, 90, 240], dtype=np.uint8)
    picture = np.broadcast_to(row[None, None, :, None], (1, 3, 3, 1))
    assert pixels.area(picture, 2)[0, 0, :, 0].tolist() == [30, 190]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8])
def test_an_average_stays_premultiplied_and_keeps_the_total(size: int) -> None:
    picture = random_picture(3, 8)[None]
    small = pixels.area(picture, size)
    assert (small[..., :3] <= small[..., 3:]).all()
    assert np.abs(small.mean(axis=(1, 2)) - picture.mean(axis=(1, 2))).max() <= 0.5


@pytest.mark.parametrize("channels", [1, 4])
def test_stored_files_are_lossless(channels: int) -> None:
    picture = random_picture(5, 16)[..., -channels:]
    assert np.array_equal(pixels.decode(pixels.encode(picture), channels), picture)


@pytest.mark.parametrize("shape", [(10, 4), (4, 10), (3, 3), (1, 40)])
def test_letterbox_keeps_the_proportions_and_pads_with_nothing(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 4), 255, dtype=np.uint8)
    out = pixels.letterbox(picture, 20)
    height, width = (out[..., 3] == 255).any(axis=1).sum(), (out[..., 3] == 255).any(axis=0).sum()
    assert max(height, width) == 20
    assert abs(height / width - shape[0] / shape[1]) < 0.05
    assert set(np.unique(out[..., 3])) <= {0, 255}


def test_enlarging_never_lets_a_colour_exceed_its_alpha() -> None:
    out = pixels.letterbox(random_picture(1, 4), 32)
    assert (out[..., :3] <= out[..., 3:]).all()


def test_pillow_agrees_on_what_the_stored_file_shows(tmp_path: object) -> None:
    import io

    picture = random_picture(9, 8)
    shown = np.asarray(Image.open(io.BytesIO(pixels.encode(picture))).convert("RGBA"))
    assert np.array_equal(shown, pixels.unpremultiply(picture))
