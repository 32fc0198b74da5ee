"""Pictures that a request brings: told by their bytes, sized before they are decoded, fitted to the model."""

from __future__ import annotations

import numpy as np

from ornstein.data.pixels import letterbox
from ornstein.data.reader import BadPictureError, MaskError, read_mask, upright
from ornstein.evaluate.pictures import seen_by
from ornstein.serve.api.errors import ApiError


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
        changing = read_mask(data, like, size, most)
    except MaskError as error:
        raise ApiError(400, str(error), "mask", "invalid_mask") from error
    except BadPictureError as error:
        raise _refusal(error, "mask") from error
    return changing


def _refusal(error: BadPictureError, field: str) -> ApiError:
    status, code = (413, "image_too_large") if error.bomb else (400, "invalid_image")
    return ApiError(status, f"{field}: {error}", field, code)
