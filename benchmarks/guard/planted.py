"""Copies to plant: what people do to a picture, each kind by Pillow or NumPy, not by what the descriptor learned on.

All map one premultiplied uint8 (S, S, C) picture, and a stream for what is left to chance, to an opaque (S, S, 3) one.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

Copy = Callable[[Image.Image, np.random.Generator], Image.Image]


def on(picture: np.ndarray, ground: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """The picture before a colour."""
    if picture.shape[-1] == 1:
        return Image.fromarray(picture[..., 0]).convert("RGB")
    wide = picture.astype(np.uint16)
    flat = wide[..., :3] + (255 - wide[..., 3:]) * np.array(ground, np.uint16) // 255
    return Image.fromarray(flat.clip(0, 255).astype(np.uint8))


def crop(share: float) -> Copy:
    """A window of this share of the area, anywhere, enlarged to the whole."""

    def make(image: Image.Image, random: np.random.Generator) -> Image.Image:
        side = round(image.width * share**0.5)
        left, top = random.integers(0, image.width - side + 1, 2).tolist()
        return image.crop((left, top, left + side, top + side)).resize(image.size, Image.Resampling.BICUBIC)

    return make


def shift(share: float) -> Copy:
    """Moved by this share of the side along both axes; the ground's colour comes in."""

    def make(image: Image.Image, random: np.random.Generator) -> Image.Image:
        by = round(image.width * share)
        dx, dy = (int(random.choice([-by, by])) for _ in range(2))
        return image.transform(
            image.size, Image.Transform.AFFINE, (1, 0, dx, 0, 1, dy), fillcolor=_corner(image)
        )

    return make


def resized(share: float) -> Copy:
    """Down to this share of the side, and up again."""

    def make(image: Image.Image, random: np.random.Generator) -> Image.Image:
        side = max(4, round(image.width * share))
        return image.resize((side, side), Image.Resampling.BILINEAR).resize(
            image.size, Image.Resampling.BICUBIC
        )

    return make


def jpeg(quality: int) -> Copy:
    """Through a JPEG file."""

    def make(image: Image.Image, random: np.random.Generator) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return make


def blur(radius: float) -> Copy:
    """Gaussian, of a deviation in pixels at 64."""

    def make(image: Image.Image, random: np.random.Generator) -> Image.Image:
        return image.filter(ImageFilter.GaussianBlur(radius * image.width / 64))

    return make


def colours(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Brightness, contrast and saturation, each up or down by up to a third."""
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = change(image).enhance(float(random.uniform(2 / 3, 4 / 3)))
    return image


def grey(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Without colour."""
    return image.convert("L").convert("RGB")


def flip(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Mirrored."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def turn(degrees: float) -> Copy:
    """Turned either way by so much; the ground's colour comes in."""

    def make(image: Image.Image, random: np.random.Generator) -> Image.Image:
        angle = float(random.choice([-degrees, degrees]))
        return image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=_corner(image))

    return make


def noise(deviation: float) -> Copy:
    """Gaussian, of a deviation on 0 to 255."""

    def make(image: Image.Image, random: np.random.Generator) -> Image.Image:
        pixels = np.asarray(image, np.float32) + random.normal(0, deviation, (*image.size[::-1], 3))
        return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))

    return make


def overlay(share: float) -> Copy:
    """A block of any colour over this share of the area."""

    def make(image: Image.Image, random: np.random.Generator) -> Image.Image:
        side, out = round(image.width * share**0.5), image.copy()
        left, top = random.integers(0, image.width - side + 1, 2).tolist()
        out.paste(tuple(random.integers(0, 256, 3).tolist()), (left, top, left + side, top + side))
        return out

    return make


def shot(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """As of a screen: a little smaller on a larger ground, JPEG 75, a little brighter."""
    side = round(image.width * 0.8)
    out = Image.new("RGB", image.size, (245, 245, 245))
    left, top = random.integers(0, image.width - side + 1, 2).tolist()
    out.paste(image.resize((side, side), Image.Resampling.BICUBIC), (left, top))
    return jpeg(75)(ImageEnhance.Brightness(out).enhance(1.05), random)


def together(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Cropped, turned, recoloured and compressed."""
    return jpeg(75)(colours(turn(8)(crop(0.8)(image, random), random), random), random)


def _corner(image: Image.Image) -> tuple[int, ...]:
    found = image.getpixel((0, 0))
    assert isinstance(found, tuple)
    return found


GROUND = "other background"
KINDS: dict[str, Copy] = {
    "exact": lambda image, random: image,
    "crop to 80% of the area": crop(0.8),
    "crop to 60%": crop(0.6),
    "shift by a pixel": shift(1 / 64),
    "shift by 10%": shift(0.1),
    "resize to 75% and back": resized(0.75),
    "resize to 50% and back": resized(0.5),
    "JPEG 75": jpeg(75),
    "JPEG 50": jpeg(50),
    "JPEG 30": jpeg(30),
    "blur, 1 px of 64": blur(1),
    "blur, 1.5 px": blur(1.5),
    "colour shift": colours,
    "grey": grey,
    "mirrored": flip,
    "turned by 5 degrees": turn(5),
    "turned by 10 degrees": turn(10),
    GROUND: lambda image, random: image,
    "noise, 10 of 255": noise(10),
    "noise, 20 of 255": noise(20),
    "overlay on 10%": overlay(0.1),
    "overlay on 20%": overlay(0.2),
    "screenshot-like": shot,
    "crop, turn, colour, JPEG 75": together,
}


def planted(kind: str, pictures: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A copy of one kind of each premultiplied uint8 (N, S, S, C) picture, (N, S, S, 3)."""

    def ground() -> tuple[int, int, int]:
        red, green, blue = random.integers(0, 256, 3).tolist()
        return red, green, blue

    images = [on(picture, ground()) if kind == GROUND else on(picture) for picture in pictures]
    return np.stack([np.asarray(KINDS[kind](image, random)) for image in images])
