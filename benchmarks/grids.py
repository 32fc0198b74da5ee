"""The README's pictures: what a model draws, what it has never seen, what was never asked before, and what goes wrong.

    python benchmarks/grids.py --model emoji --pack data/emoji --out docs/pictures
    python benchmarks/grids.py --model fashion --pack data/fashion-mnist --out docs/pictures

A model of classes gets one sheet: every class, generated beside unseen real pictures.
Nothing is picked by hand: prompts of the first two sheets come from the seed, every prompt is drawn once, and the
failures are those of them that lie furthest from what they should show.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from retrieval import CENTRE, choose, real_features

from common import draw, open_model
from ornstein.data.manifest import HELD_OUT
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.evaluate.features import find_network
from ornstein.evaluate.retrieval import Gallery
from ornstein.model import Model
from ornstein.output import to_image
from ornstein.recipes.recipe import ClassesCondition

FREE = (
    "a blue apple", "cat riding a bicycle, 3D style", "two hearts", "a purple dog, Noto style",
    "snowy mountain at night",
    "a pizza with a face, flat style", "green fire, Twemoji style",
    "a robot holding a flower", "penguin, FxEmoji style",
    "a castle under water", "golden key, 3D style", "an angry strawberry", "red balloon and yellow star", "space whale",
    "a cup of coffee, Noto classic style", "flag with a red circle",
)  # fmt: skip

SIDE, GAP, COLUMNS = 96, 10, 8
EACH = 4  # pictures of a class
LINE, LINES, FONT_SIZE = 13, 3, 11
LIGHT, DARK, INK = (255, 255, 255), (240, 240, 240), (70, 70, 70)
LARGEST = 400_000  # bytes of a sheet


@dataclass(frozen=True)
class Cell:
    """Pictures side by side, premultiplied arrays, and the words under them."""

    pictures: Sequence[np.ndarray]
    caption: str


def sheet(cells: Sequence[Cell], columns: int) -> Image.Image:
    """Cells row by row on white, transparent parts on a light checkerboard."""
    width = SIDE * max(len(cell.pictures) for cell in cells)
    rows = -(-len(cells) // columns)
    across, down = width + GAP, SIDE + LINE * LINES + GAP
    page = Image.new("RGB", (columns * across + GAP, rows * down + GAP), LIGHT)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(FONT_SIZE)
    for k, cell in enumerate(cells):
        left, top = GAP + k % columns * across, GAP + k // columns * down
        for place, picture in enumerate(cell.pictures):
            page.paste(tile(picture), (left + place * SIDE, top))
        for number, line in enumerate(wrap(cell.caption, pen, font, width)[:LINES]):
            pen.text((left + width / 2, top + SIDE + 2 + number * LINE), line, INK, font, anchor="ma")
    return page


def tile(picture: np.ndarray, square: int = 8) -> Image.Image:
    """One picture, enlarged, before a light checkerboard."""
    y, x = np.mgrid[:SIDE, :SIDE] // square
    board = np.where(((x + y) % 2 == 0)[..., None], np.array(LIGHT), np.array(DARK))
    behind = Image.fromarray(board.astype(np.uint8), "RGB").convert("RGBA")
    front = to_image(picture).convert("RGBA").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return Image.alpha_composite(behind, front).convert("RGB")


def wrap(text: str, pen: ImageDraw.ImageDraw, font: Any, width: int) -> list[str]:
    """Break `text` at spaces into lines of at most `width` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, font) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def save(page: Image.Image, path: Path) -> None:
    """Write a PNG that is small enough for a repository: 256 colours where true colour is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, "PNG", optimize=True)
    if path.stat().st_size > LARGEST:
        page.quantize(256).save(path, "PNG", optimize=True)
    print(f"{path}: {page.width} x {page.height}, {path.stat().st_size / 1000:.0f} kB")


def furthest(pack: Pack, rows: np.ndarray, pictures: np.ndarray, count: int) -> np.ndarray:
    """Which of `pictures`, drawn for `rows`, find what they should show latest: positions, worst first."""
    gallery = Gallery(real_features(pack, pack.folder / "features"), pack.styles, pack.families, CENTRE)
    styles = pack.styles[rows].tolist()
    found = gallery.search(
        find_network("effnet-lite0")(pictures), styles, styles, pack.families[rows].tolist()
    )
    return np.argsort(-found.places, kind="stable")[:count]


def classes(model: Model, names: Sequence[str], pack: Pack, seed: int) -> Image.Image:
    """A cell for every class: `EACH` generated pictures, then as many unseen real ones."""
    asked = [name for name in names for _ in range(EACH)]
    drawn = draw(model, asked, range(seed, seed + len(asked)), "drawing")
    held, random = pack.indices(HELD_OUT), np.random.default_rng(seed)
    cells: list[Cell] = []
    for k, name in enumerate(names):
        own = held[pack.concepts[held] == pack.concept_names.index(name)]
        real = pack.pictures(random.choice(own, EACH, replace=False))
        cells.append(
            Cell([*drawn[k * EACH : (k + 1) * EACH], *real], f"{name}: {EACH} generated, {EACH} real")
        )
    return sheet(cells, 2)


def sheets(arguments: argparse.Namespace, pack: Pack) -> None:
    """Draw everything once and write the sheets."""
    model, facts = open_model(arguments.model)
    condition = model.recipe.condition
    if isinstance(condition, ClassesCondition):
        page = classes(model, condition.names, pack, arguments.seed)
        save(page, arguments.out / f"{model.recipe.name}.png")
        return
    chosen = {group.name: group.rows for group in choose(pack, arguments.count, arguments.seed)}
    trained, held = chosen["trained"], chosen["held-out-pairs"]
    rows = np.concatenate([trained, held])
    captions = [pack.captions(row)[0] for row in rows.tolist()]
    seeds = [arguments.seed + row for row in rows.tolist()]
    size = arguments.size or facts["size"]
    settings = {"steps": arguments.steps, "guidance": arguments.guidance, "size": size}
    drawn = draw(model, [*captions, *FREE], [*seeds, *range(len(FREE))], "drawing", **settings)
    real = pack.pictures(rows, min(size, pack.size))
    pairs = [Cell([drawn[k], real[k]], captions[k]) for k in range(len(rows))]
    shown = min(24, len(trained))
    save(sheet([Cell([drawn[k]], captions[k]) for k in range(shown)], COLUMNS), arguments.out / "trained.png")
    save(sheet(pairs[len(trained) :][:16], COLUMNS // 2), arguments.out / "held-out-pairs.png")
    free = drawn[len(rows) :]
    save(sheet([Cell([p], c) for p, c in zip(free, FREE, strict=True)], COLUMNS), arguments.out / "free.png")
    worst = furthest(pack, rows, drawn[: len(rows)], 8)
    save(sheet([pairs[k] for k in worst.tolist()], COLUMNS // 2), arguments.out / "failures.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", required=True, help="name or folder of a bundle, a run, or one of its checkpoints"
    )
    parser.add_argument("--pack", type=Path, default=Path("data/emoji"))
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument(
        "--count", type=int, default=32, help="prompts of each group; failures are among them (32)"
    )
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--size", type=int, help="of the pictures; a checkpoint's stage decides it")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        sheets(arguments, Pack.open(arguments.pack))
    except OrnsteinError as error:
        sys.exit(f"grids: {error}")


if __name__ == "__main__":
    main()
