"""What pictures go through before somebody asks where they come from."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

BLUE = (58, 110, 165)  # of a desktop, behind a screenshot


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """As JPEG, before white, colour at half the resolution as is usual."""
    file = io.BytesIO()
    before(image, (255, 255, 255)).save(file, "JPEG", quality=quality)
    return Image.open(file)


def before(image: Image.Image, color: tuple[int, int, int]) -> Image.Image:
    """Before a colour; opaque pictures stay as they are."""
    if image.mode != "RGBA":
        return image
    behind = Image.new("RGBA", image.size, (*color, 255))
    behind.alpha_composite(image)
    return behind.convert("RGB")


def premultiplied(image: Image.Image, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Changed as programs change pictures with transparency."""
    return change(image.convert("RGBa")).convert("RGBA") if image.mode == "RGBA" else change(image)


def resized(image: Image.Image, factor: float) -> Image.Image:
    """Scaled."""
    size = (round(image.width * factor), round(image.height * factor))
    return premultiplied(image, lambda x: x.resize(size, Image.Resampling.BICUBIC))


def there_and_back(image: Image.Image, factor: float) -> Image.Image:
    """Scaled, and back to its size."""
    size = image.size
    small = resized(image, factor)
    return premultiplied(small, lambda x: x.resize(size, Image.Resampling.BICUBIC))


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Without a share of each side."""
    left, top = round(image.width * share / 2), round(image.height * share / 2)
    return image.crop((left, top, image.width - left, image.height - top))


def blurred(image: Image.Image, radius: float) -> Image.Image:
    """Blurred by a Gaussian of so many pixels."""
    bands = [band.filter(ImageFilter.GaussianBlur(radius)) for band in image.split()]
    return Image.merge(image.mode, bands)


def noisy(image: Image.Image, deviation: float) -> Image.Image:
    """With noise of so many levels of 255."""
    values = np.asarray(image).astype(float)
    drawn = np.random.default_rng(0).normal(0, deviation, values.shape)
    if image.mode == "RGBA":
        drawn[..., 3] = 0
    return Image.fromarray((values + drawn).round().clip(0, 255).astype(np.uint8))


def moved(image: Image.Image, pixels: int) -> Image.Image:
    """Moved down and to the right."""
    out = Image.new(image.mode, image.size)
    out.paste(image, (pixels, pixels))
    return out


ATTACKS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is (PNG)": lambda image: image,
    "before white": lambda image: before(image, (255, 255, 255)),
    "JPEG 90": lambda image: jpeg(image, 90),
    "JPEG 75": lambda image: jpeg(image, 75),
    "JPEG 50": lambda image: jpeg(image, 50),
    "scaled to 75% and back": lambda image: there_and_back(image, 0.75),
    "scaled to 50% and back": lambda image: there_and_back(image, 0.5),
    "cropped by 10%": lambda image: cropped(image, 0.1),
    "blurred, 1 pixel": lambda image: blurred(image, 1.0),
    "noise, 10 of 255": lambda image: noisy(image, 10),
    "moved by 1 pixel": lambda image: moved(image, 1),
    "screenshot, 150%": lambda image: jpeg(resized(before(image, BLUE), 1.5), 85),
}
