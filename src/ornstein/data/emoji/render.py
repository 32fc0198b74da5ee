"""One emoji drawing to stored bytes; runs in worker processes."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ornstein.data import pixels
from ornstein.errors import MissingExtraError

_TINY = 8
_SUPERSAMPLE = 2  # resvg draws filters and masks on the pixel grid; at twice the size the steps average out


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture: its stored file, a digest of its pixels, and an 8 x 8 average to compare pictures by."""

    file: bytes
    digest: bytes
    tiny: bytes


def render(drawing: str | bytes, size: int) -> Rendered | str:
    """Return a drawing at size x size, or why it cannot be used ("empty", "broken")."""
    try:
        picture = _svg(drawing, size) if isinstance(drawing, str) else _bitmap(drawing, size)
    except (ValueError, OSError):
        return "broken"
    if not picture[..., 3].any():
        return "empty"
    tiny = pixels.area(picture[None], _TINY).tobytes()
    return Rendered(pixels.encode(picture), hashlib.sha256(picture.tobytes()).digest(), tiny)


def _svg(text: str, size: int) -> np.ndarray:
    try:
        import resvg_py
    except ImportError as error:
        raise MissingExtraError("rendering drawings", "data") from error
    side = _SUPERSAMPLE * size
    png = bytes(resvg_py.svg_to_bytes(svg_string=text, width=side, height=side, skip_system_fonts=True))
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        picture = pixels.premultiply(np.asarray(image.convert("RGBA")))
    return pixels.letterbox(picture, size)


def _bitmap(data: bytes, size: int) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=("WEBP", "PNG")) as image:
        return pixels.letterbox(pixels.premultiply(np.asarray(image.convert("RGBA"))), size)
