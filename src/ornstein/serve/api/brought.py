"""Pictures that a request brings: told by their bytes, sized before they are decoded, fitted to the model."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ornstein.data.pixels import letterbox
from ornstein.data.reader import BadPictureError, upright
from ornstein.evaluate.pictures import seen_by
from ornstein.serve.api.errors import ApiError

HALF = 128


def picture(data: bytes, size: int, channels: int, most: int, field: str = "image") -> np.ndarray:
    """A file as a model has pictures: uint8 (size, size, channels), premultiplied.

    Upright, of an animation the first frame, fitted with an edge where it is not square.

    Raises:
        ApiError: no picture, a damaged one, or more than `most` pixels.
    """
    try:
        pixels, extent = upright(data, size, most)
        return seen_by(channels, letterbox(pixels, size, extent))
    except BadPictureError as error:
        raise _refusal(error, field) from error


def mask(data: bytes, like: bytes, size: int, most: int) -> np.ndarray:
    """Where a picture may change: bool (size, size), True where the mask is transparent by half or more.

    Args:
        data: the mask's file.
        like: the picture's, of which it must have the size.
        size: side that both are fitted to. The edge that this adds may not change.
        most: pixels.

    Raises:
        ApiError: no picture, another size, or nothing transparent in it.
    """
    try:
        wanted, found = _extent(like), _extent(data)
        if wanted != found:
            shown = " x ".join(map(str, found)), " x ".join(map(str, wanted))
            raise ApiError(
                400,
                f"the mask is {shown[0]}, the image {shown[1]}: make them of one size",
                "mask",
                "invalid_mask",
            )
        pixels, extent = upright(data, size, most)
    except BadPictureError as error:
        raise _refusal(error, "mask") from error
    free = np.repeat(255 - pixels[..., 3:], 4, axis=-1)
    changing = letterbox(free, size, extent)[..., 3] >= HALF
    if not changing.any():
        raise ApiError(
            400,
            "nothing of the mask is transparent: transparent parts are what is drawn anew",
            "mask",
            "invalid_mask",
        )
    return changing


def _extent(data: bytes) -> tuple[int, int]:
    """Width and height, upright, from the header alone. Raises BadPictureError."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return (image.height, image.width) if turned else image.size
    except Exception as error:  # pillow's readers raise a dozen unrelated types on damaged files
        raise BadPictureError("not a readable picture") from error


def _refusal(error: BadPictureError, field: str) -> ApiError:
    status, code = (413, "image_too_large") if error.bomb else (400, "invalid_image")
    return ApiError(status, f"{field}: {error}", field, code)
