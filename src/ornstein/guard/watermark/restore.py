"""Pictures as they come back, made again what a model makes: its size, its channels, transparent where they were.

Whoever shares a picture may put it before white, scale it, or cut its edges off. What was behind a picture and where
it was cut is not known; the guesses here cost nothing where they are wrong but the mark.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ornstein.data.reader import BadPictureError, read_picture
from ornstein.errors import OrnsteinError

NEAR = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))
CUT = 0.85
"""Pictures that are smaller than this share of the model's size were scaled; nearly as large ones were cut."""
MOST = 4  # larger pictures are averaged down to so many times the model's size when they are read
TOLERANCE = (
    48  # sum of differences in red, green and blue up to which a pixel shows what is behind the picture
)


def read_file(path: Path, size: int) -> np.ndarray:
    """A picture file nobody vouches for, as a square: uint8 (N, N, 4), premultiplied.

    Args:
        path: of the file.
        size: side of the model's pictures; N is that of the file, but at most four times as much.

    Raises:
        OrnsteinError: not a whole picture, or too large to open.
    """
    try:
        read_picture(path, 1)  # refuses what is no picture, or too large a one, before its size is believed
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            side = max(image.size)
        return read_picture(path, min(side, MOST * size))
    except BadPictureError as error:
        raise OrnsteinError(f"{path}: {error}") from error
    except OSError as error:
        raise OrnsteinError(f"cannot read {path}: {error.strerror or error}") from error


def restore(picture: np.ndarray, size: int, channels: int) -> tuple[np.ndarray, tuple[tuple[int, int], ...]]:
    """A picture as the model may have made it, and by how many pixels it may have been moved.

    Args:
        picture: uint8 (N, N, 4), premultiplied.
        size: side of the model's pictures.
        channels: of the model's pictures: 1, 3 or 4.

    Returns:
        uint8 (size, size, channels), and moves (down, right) for ``detect``.
    """
    side = len(picture)
    if CUT * size <= side < size:
        picture, moves = _put_back(picture, size, channels)
    else:
        moves = NEAR
        if side != size:
            scaled = Image.fromarray(picture, "RGBa").resize((size, size), Image.Resampling.BICUBIC)
            picture = np.asarray(scaled)
            picture = np.concatenate(
                [np.minimum(picture[..., :3], picture[..., 3:]), picture[..., 3:]], axis=-1
            )
        picture = in_channels(picture, channels)
    return picture, moves


def in_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """A picture (N, N, 4) in a model's channels: brightness on black, colour on white, or what was behind taken out."""
    if channels == 1:
        return np.asarray(Image.fromarray(np.ascontiguousarray(picture[..., :3])).convert("L"))[..., None]
    if channels == 3:
        return picture[..., :3] + (255 - picture[..., 3:])
    return picture if (picture[..., 3] < 255).any() else without_background(picture[..., :3])


def without_background(color: np.ndarray) -> np.ndarray:
    """An opaque picture (N, N, 3) whose surroundings, of one colour, become transparent: (N, N, 4), premultiplied.

    What is behind is the commonest colour of the edge, as the median of its pixels; what is like it and reaches the
    edge is taken out. Inside, the same colour stays.
    """
    edge = np.concatenate([color[0], color[-1], color[:, 0], color[:, -1]])
    behind = tuple(int(value) for value in np.median(edge, axis=0))
    framed = Image.new("RGB", (color.shape[1] + 2, color.shape[0] + 2), behind)
    framed.paste(Image.fromarray(np.ascontiguousarray(color)), (1, 1))
    untouched = np.asarray(framed).copy()
    unlike = (
        (behind[0] + 128) % 256,
        *behind[1:],
    )  # farther from what is behind than any pixel that is taken out
    ImageDraw.floodfill(framed, (0, 0), unlike, thresh=TOLERANCE)
    taken = (np.asarray(framed) != untouched).any(-1)
    alpha = np.where(taken[1:-1, 1:-1, None], 0, 255).astype(np.uint8)
    return np.concatenate([np.where(alpha > 0, color, 0), alpha], axis=-1)


def _put_back(
    picture: np.ndarray, size: int, channels: int
) -> tuple[np.ndarray, tuple[tuple[int, int], ...]]:
    """A picture that was cut, in the middle of an empty one; what was cut off where is left to the search."""
    side = len(picture)
    cut = in_channels(picture, channels)
    low = (size - side) // 2
    whole = (
        np.zeros((size, size, channels), np.uint8)
        if channels != 3
        else np.full((size, size, 3), 255, np.uint8)
    )
    whole[low : low + side, low : low + side] = cut
    reach = range(low - (size - side), low + 1)
    return whole, tuple((down, right) for down in reach for right in reach)
