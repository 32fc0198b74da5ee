"""Pictures that a command is given: read, fitted to the model, and nothing done to them without saying so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ornstein.cli.generate import note

if TYPE_CHECKING:
    import numpy as np

    from ornstein.control.source import Source


def read_pictures(files: Sequence[Path], size: int, channels: int) -> np.ndarray:
    """Picture files as a model has them: uint8 (B, size, size, channels), premultiplied; notes on the error stream.

    A picture of another size is fitted, with a note; so is one whose colours or transparency a model of grey pictures
    cannot have (it lies on black, as the edges of such pictures do), or whose transparency a model of opaque colour
    cannot (it lies on white).

    Raises:
        OrnsteinError: a file that is no whole picture, an animation, or too large to open.
    """
    import numpy as np

    return np.stack([_read(file, size, channels) for file in files])


def read_source(file: Path, mask: Path | None, strength: float | None, size: int, channels: int) -> Source:
    """A picture to start from, fitted to the model, with its mask. Raises OrnsteinError, as ``read_pictures``."""
    from ornstein.control.source import MASKED, WHOLE, Source
    from ornstein.data.reader import BadPictureError, read_mask
    from ornstein.errors import OrnsteinError

    (picture,) = read_pictures([file], size, channels)
    data, free = file.read_bytes(), None
    if mask is not None:
        if not mask.is_file():
            raise OrnsteinError(f"cannot read {mask}: no such file")
        try:
            free = read_mask(mask.read_bytes(), data, size)
        except BadPictureError as error:
            raise OrnsteinError(f"{mask}: {error}") from error
    usual = WHOLE if mask is None else MASKED
    return Source(picture, free, usual if strength is None else strength, data)


def _read(file: Path, size: int, channels: int) -> np.ndarray:
    import numpy as np
    from PIL import Image

    from ornstein.data.reader import BadPictureError, read_picture
    from ornstein.errors import OrnsteinError
    from ornstein.evaluate.pictures import seen_by

    if not file.is_file():
        raise OrnsteinError(f"cannot read {file}: no such file")
    try:
        picture = read_picture(file, size)
    except BadPictureError as error:
        raise OrnsteinError(f"{file}: {error}") from error
    with Image.open(file) as image:
        height, width, frames = image.height, image.width, getattr(image, "n_frames", 1)
    if frames > 1:
        raise OrnsteinError(
            f"{file} is an animation of {frames} frames: give one of them as a file of its own"
        )
    if (height, width) != (size, size):
        note(f"{file} is {width} x {height}: it was fitted into {size} x {size}")
    if channels == 3 and (picture[..., 3] < 255).any():
        note(f"{file} is not opaque: this model sees it on white")
    if channels == 1 and ((picture[..., 3] < 255).any() or (np.ptp(picture[..., :3], axis=-1) > 0).any()):
        note(f"{file} is not plain grey: this model sees its brightness, on black")
    return seen_by(channels, picture)
