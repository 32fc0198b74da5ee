"""Open a picture nobody vouches for: size before pixels, then one premultiplied array or one clear reason."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ornstein.data import pixels

MAX_PIXELS = 64 * 2**20
MAX_BYTES = 512 * 2**20
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"})

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
# What Pillow's decoders raise on hostile bytes, by experience rather than by contract.
_BROKEN = (
    *(OSError, ValueError, SyntaxError, EOFError, IndexError),
    *(KeyError, TypeError, OverflowError, struct.error),
)
HALF = 128  # of 255: a mask's alpha below which it lets change
_OVERSIZE = 4  # shrink by a whole factor first, so that 64 megapixels never become floats


class BadPictureError(Exception):
    """Why a file is not a usable picture; `bomb` when decoding it would take too much memory."""

    def __init__(self, why: str, *, bomb: bool = False) -> None:
        super().__init__(why)
        self.bomb = bomb


class MaskError(BadPictureError):
    """Why a picture cannot be a mask."""


def read_picture(path: Path, size: int) -> np.ndarray:
    """Return the picture in a file, premultiplied uint8 (size, size, 4), fitted with transparent padding.

    First frame of an animation, upright by its EXIF orientation, 16-bit and palette and CMYK converted.
    Raises BadPictureError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # odd metadata is no reason to refuse pixels
            if path.stat().st_size > MAX_BYTES:
                raise BadPictureError(f"more than {MAX_BYTES >> 20} MiB", bomb=True)
            picture, extent = upright(path.read_bytes(), size)
            return pixels.letterbox(picture, size, extent)
    except OSError as error:
        raise BadPictureError(f"not a readable picture ({error.strerror})") from error


def read_mask(data: bytes, like: bytes, size: int, most: int = MAX_PIXELS) -> np.ndarray:
    """Where a picture may change: bool (size, size), True where its mask is transparent by half or more.

    Args:
        data: the mask's file.
        like: the picture's, of which it must have the size.
        size: side that both are fitted to; the edge that this adds may not change.
        most: pixels.

    Raises:
        BadPictureError: no picture. MaskError: another size, or nothing transparent in it.
    """
    wanted, found = _extent(like), _extent(data)
    if wanted != found:
        mask, picture = (" x ".join(map(str, sides)) for sides in (found, wanted))
        raise MaskError(f"the mask is {mask}, the picture {picture}: make them of one size")
    shown, extent = upright(data, size, most)
    free = np.repeat(255 - shown[..., 3:], 4, axis=-1)
    changing = pixels.letterbox(free, size, extent)[..., 3] >= HALF
    if not changing.any():
        raise MaskError("nothing of the mask is transparent: transparent parts are what is drawn anew")
    return changing


def _extent(data: bytes) -> tuple[int, int]:
    """Width and height, upright, from the header alone. Raises BadPictureError."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
            return (image.height, image.width) if turned else image.size
    except Exception as error:  # pillow's readers raise a dozen unrelated types on damaged files
        raise BadPictureError("not a readable picture") from error


def upright(data: bytes, size: int, most: int = MAX_PIXELS) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the premultiplied pixels of a file's bytes, uint8 (h, w, 4), and their extent, height and width.

    A picture much larger than `size` is shrunk by a whole factor; its extent is then a fraction of the original's.
    The header is asked before any pixel is: more than `most` of them are refused. Raises BadPictureError.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > most:
                raise BadPictureError(f"{width} x {height} is more than {most >> 20} megapixels", bomb=True)
            image.load()
            premultiplied = _rgba(ImageOps.exif_transpose(image)).convert("RGBa")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPictureError(f"more than {most >> 20} megapixels", bomb=True) from error
    except MemoryError as error:
        raise BadPictureError("does not fit in memory", bomb=True) from error
    except UnidentifiedImageError as error:  # its own words name an object in memory
        raise BadPictureError(f"not a readable picture (none of {', '.join(_FORMATS)})") from error
    except _BROKEN as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadPictureError(f"not a readable picture ({why})") from error
    width, height = premultiplied.size  # once upright
    factor = max(1, max(width, height) // (_OVERSIZE * size))
    if factor > 1:
        premultiplied = premultiplied.reduce(factor)
    return np.asarray(premultiplied), (height / factor, width / factor)


def _rgba(image: Image.Image) -> Image.Image:
    """Return straight RGBA of any mode; 16-bit grey is divided by 257, so white stays white."""
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 0xFFFF:
            raise BadPictureError("grey values outside 16 bits: convert it to 8 or 16 bits a channel")
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8)).convert("RGBA")
    if image.mode == "F":
        raise BadPictureError("floating-point pixels: convert it to 8 or 16 bits a channel")
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        return image.convert("RGB").convert("RGBA")
    return image.convert("RGBA")
