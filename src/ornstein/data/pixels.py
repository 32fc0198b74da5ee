"""Pictures as premultiplied bytes: conversion, averaging, and the lossless files that shards hold.

Premultiplied means that a colour is stored times its alpha, so a transparent pixel is four zeros, averages
of neighbours never bleed the colour of nothing, and compositing on white is one addition.
"""

from __future__ import annotations

import io
from math import ceil

import numpy as np
from PIL import Image


def premultiply(straight: np.ndarray) -> np.ndarray:
    """Return premultiplied RGBA, uint8 (..., 4), of straight RGBA, uint8 (..., 4), rounded to nearest."""
    wide = straight.astype(np.uint32)
    out = (wide * wide[..., 3:] + 127) // 255
    out[..., 3] = straight[..., 3]
    return out.astype(np.uint8)


def unpremultiply(premultiplied: np.ndarray) -> np.ndarray:
    """Return straight RGBA, uint8 (..., 4). `premultiply` gives back the input exactly, at every alpha."""
    wide = premultiplied.astype(np.uint32)
    alpha = np.maximum(wide[..., 3:], 1)
    out = np.minimum((wide * 255 + alpha // 2) // alpha, 255)
    out[..., 3] = premultiplied[..., 3]
    return out.astype(np.uint8)


def area(pictures: np.ndarray, size: int) -> np.ndarray:
    """Average uint8 pictures (n, h, w, c) over areas to (n, size, size, c), rounded to nearest.

    Exact for any ratio: each output pixel is the mean of the input it covers, edge pixels by their share.
    Works on premultiplied values, where the mean of light is the mean of numbers.
    """
    height, width = pictures.shape[1:3]
    if (height, width) == (size, size):
        return pictures
    if height == width and height % size == 0:
        step = height // size
        shape = (len(pictures), size, step, size, step, pictures.shape[-1])
        total = pictures.reshape(shape).sum(axis=(2, 4), dtype=np.uint32)
        return ((total + step * step // 2) // (step * step)).astype(np.uint8)
    mean = np.einsum("yh,nhwc,xw->nyxc", _cover(height, size), pictures, _cover(width, size), optimize=True)
    return np.floor(mean + 0.5).clip(0, 255).astype(np.uint8)


def _cover(length: float, size: int) -> np.ndarray:
    """Return float64 (size, ceil(length)): the share of each input in each output.

    When `length` is not whole, the last input is that much narrower than the others.
    """
    edges = np.arange(size + 1) * (length / size)
    cells = np.arange(ceil(length))
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return overlap.clip(0) / (length / size)


def encode(picture: np.ndarray) -> bytes:
    """Return one picture, premultiplied uint8 (size, size, 4) or grey (size, size, 1), as a lossless file.

    RGBA becomes WebP in straight alpha, which any viewer shows right; grey becomes PNG.
    """
    file = io.BytesIO()
    if picture.shape[-1] == 1:
        Image.fromarray(picture[..., 0]).save(file, "PNG", optimize=True)
    else:
        image = Image.fromarray(unpremultiply(picture))
        image.save(file, "WEBP", lossless=True, exact=True, quality=80, method=4)
    return file.getvalue()


def decode(data: bytes, channels: int) -> np.ndarray:
    """Return the picture of `encode`, uint8 (size, size, channels)."""
    with Image.open(io.BytesIO(data), formats=("PNG", "WEBP")) as image:
        if channels == 1:
            return np.asarray(image.convert("L"))[..., None]
        return np.asarray(image.convert("RGBA").convert("RGBa"))


def letterbox(picture: np.ndarray, size: int, extent: tuple[float, float] | None = None) -> np.ndarray:
    """Fit one premultiplied picture (h, w, c) into (size, size, c), centred on zeros, never distorted.

    Smaller pictures are enlarged smoothly. For grey pictures the border is black. `extent` is the true
    height and width in pixels where the last row or column stands for less than a whole one.
    """
    if picture.shape[:2] == (size, size):
        return picture
    channels = picture.shape[2]
    height, width = extent or picture.shape[:2]
    scale = size / max(height, width)
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    out = np.zeros((size, size, channels), dtype=np.uint8)
    top, left = (size - inner_height) // 2, (size - inner_width) // 2
    out[top : top + inner_height, left : left + inner_width] = _resize(
        picture, (height, width), (inner_height, inner_width)
    )
    return out


def _resize(picture: np.ndarray, extent: tuple[float, float], shape: tuple[int, int]) -> np.ndarray:
    """Area average when shrinking, bicubic when growing; premultiplied in, premultiplied out."""
    height, width = shape
    if height <= extent[0] and width <= extent[1]:
        rows, columns = _cover(extent[0], height), _cover(extent[1], width)
        mean = np.einsum("yh,hwc,xw->yxc", rows, picture, columns, optimize=True)
        return np.floor(mean + 0.5).clip(0, 255).astype(np.uint8)
    bands = (Image.fromarray(np.ascontiguousarray(band)) for band in np.moveaxis(picture, -1, 0))
    grown = np.stack(
        [np.asarray(band.resize((width, height), Image.Resampling.BICUBIC)) for band in bands], -1
    )
    if grown.shape[-1] == 4:  # bicubic overshoots: a colour must not exceed its alpha
        grown[..., :3] = np.minimum(grown[..., :3], grown[..., 3:])
    return grown
