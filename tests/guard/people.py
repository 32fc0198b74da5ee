"""A tiny pack of people whose gender is told by their coat and whose skin tone by their face."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ornstein.data.emoji.names import variant_names
from ornstein.data.manifest import Row
from ornstein.data.write import write_pack

FAMILIES = (
    *(
        "baker",
        "pilot",
        "judge",
        "farmer",
        "singer",
        "teacher",
        "nurse",
        "tailor",
        "diver",
        "cook",
        "guard",
        "mayor",
    ),
    *("baron", "clerk", "miner", "poet"),
)
STYLES = ("round style", "square style")
COATS = {"female": (200, 40, 40), "male": (40, 40, 200), "": (40, 160, 40)}
FACES = (
    (250, 210, 0), (247, 222, 206), (213, 171, 136), (175, 126, 87), (124, 83, 62), (61, 43, 36)
)  # fmt: skip


def drawing(random: np.random.Generator, gender: str, tone: int, style: str) -> np.ndarray:
    """A face above a coat, uint8 (24, 24, 4), at a place and in a shade of its own."""
    picture = np.zeros((24, 24, 4), np.uint8)
    y, x = np.mgrid[:24, :24] - random.integers(-2, 3, (2, 1, 1))
    far = np.maximum if style == STYLES[1] else np.hypot
    for mask, colour in (
        (far(np.abs(x - 12), np.abs(y - 8)) < 6.5, FACES[tone]),
        ((y > 13) & (np.abs(x - 12) < 8), COATS[gender]),
    ):
        picture[mask, :3] = np.clip(np.array(colour) + random.normal(0, 6, 3), 0, 255).astype(np.uint8)
        picture[mask, 3] = 255
    return picture


def make_people(folder: Path, drawn_as: dict[str, str] | None = None) -> Path:
    """Every family as woman, man and neither, in two styles and six tones.

    Args:
        folder: of the pack.
        drawn_as: families whose pictures without a gender are the very drawing of this one.
    """
    random, items = np.random.default_rng(0), []
    for family in FAMILIES:
        for style in STYLES:
            for tone in range(6):
                drawn = {gender: drawing(random, gender, tone, style) for gender in COATS}
                if drawn_as and family in drawn_as:
                    drawn[""] = drawn[drawn_as[family]]
                for gender, picture in drawn.items():
                    items.append(_item(family, gender, style, tone, picture))
    return write_pack(folder, name="people", size=24, channels=4, items=items, variants=variant_names())


def _item(family: str, gender: str, style: str, tone: int, picture: np.ndarray) -> tuple[Row, bytes]:
    buffer = io.BytesIO()
    Image.fromarray(picture, "RGBA").save(buffer, "PNG")
    concept = {"female": "woman ", "male": "man ", "": ""}[gender] + family
    words = ", ".join(part for part in (concept, variant_names()[tone], style) if part)
    sha256 = hashlib.sha256(words.encode() + buffer.getvalue()).hexdigest()  # some share a drawing
    row = Row(
        id=words, sha256=sha256, licence="CC0-1.0", holder="test", source="made in the test", split="train",
        concept=concept, style=style, variant=tone, captions=(words,), family=family, group="people and body",
    )  # fmt: skip
    return row, buffer.getvalue()
