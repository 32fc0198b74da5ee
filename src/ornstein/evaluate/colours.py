"""Which colours a picture shows, by program: pixels are given the name of the nearest of eleven basic colours.

The names are the eleven that English has words of their own for (Berlin & Kay 1969); nearness is Euclidean in CIELAB
(D65), where equal steps look about equally large.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np

BASIC: dict[str, tuple[tuple[int, int, int], ...]] = {  # sRGB; several shades where one word covers many
    "red": ((220, 30, 40), (170, 20, 30), (245, 80, 80)),
    "orange": ((245, 140, 30), (255, 165, 60)),
    "yellow": ((255, 215, 50), (255, 235, 110)),
    "green": ((60, 170, 70), (20, 110, 50), (140, 200, 80)),
    "blue": ((40, 110, 220), (20, 60, 150), (90, 175, 240)),
    "purple": ((140, 70, 190), (95, 50, 130), (180, 130, 220)),
    "pink": ((245, 130, 180), (255, 185, 210)),
    "brown": ((130, 80, 45), (90, 55, 35), (165, 110, 70)),
    "black": ((15, 15, 15), (50, 50, 55)),
    "grey": ((130, 130, 135), (175, 178, 182), (95, 100, 105)),
    "white": ((250, 250, 250), (230, 232, 235)),
}
ENOUGH = 0.2  # share of the ink that a named colour must cover
INK = 128  # alpha from which a pixel counts as ink
_WORD = re.compile(r"\b(" + "|".join([*BASIC, "gray"]) + r")\b", re.IGNORECASE)


def named(text: str) -> list[str]:
    """Basic colours that a text names, in its order, each once."""
    words = [word.lower().replace("gray", "grey") for word in _WORD.findall(text)]
    return list(dict.fromkeys(words))


def shares(picture: np.ndarray) -> dict[str, float]:
    """Share of a picture's ink in each basic colour, adding to 1; all 0 where there is no ink.

    Args:
        picture: uint8 (H, W, 4), premultiplied; also (H, W, 3) or (H, W, 1), which are ink all over.
    """
    pixels = picture.reshape(-1, picture.shape[-1]).astype(np.float64)
    if pixels.shape[1] == 4:
        pixels = pixels[pixels[:, 3] >= INK]
        colour = pixels[:, :3] * 255 / np.maximum(pixels[:, 3:], 1)
    else:
        colour = np.broadcast_to(pixels, (len(pixels), 3))
    if not len(colour):
        return dict.fromkeys(BASIC, 0.0)
    places, owners = _anchors()
    apart = np.square(to_lab(colour)[:, None] - places).sum(2)
    counts = np.bincount(owners[apart.argmin(1)], minlength=len(BASIC))
    return {name: float(count / len(colour)) for name, count in zip(BASIC, counts, strict=True)}


def shows(picture: np.ndarray, colours: list[str]) -> bool:
    """Whether each of these colours covers enough of the ink; two must share it, so each needs less."""
    found = shares(picture)
    return all(found[name] >= ENOUGH / len(colours) for name in colours)


def to_lab(colour: np.ndarray) -> np.ndarray:
    """SRGB (N, 3), 0 to 255, to CIELAB under D65 (IEC 61966-2-1, CIE 15)."""
    c = colour / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])


@cache
def _anchors() -> tuple[np.ndarray, np.ndarray]:
    """Every shade in CIELAB, and which colour it is a shade of."""
    shades = [(shade, k) for k, group in enumerate(BASIC.values()) for shade in group]
    return to_lab(np.array([shade for shade, _ in shades], np.float64)), np.array([k for _, k in shades])
