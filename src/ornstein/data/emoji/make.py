"""Fetch, name, render, deduplicate, split, pack."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ornstein.data import licences, manifest, npm, splits
from ornstein.data.emoji import captions
from ornstein.data.emoji.names import variant_names
from ornstein.data.emoji.render import Rendered, render
from ornstein.data.emoji.sources import (
    EMOJIBASE,
    FLUENT_3D,
    ICONIFY,
    SOURCES,
    Icon,
    icons_3d,
    icons_of,
    read_names,
)
from ornstein.data.manifest import TRAIN, Row
from ornstein.data.progress import track
from ornstein.data.write import write_pack
from ornstein.errors import OrnsteinError, UsageError

SIZES = (64, 128)
_NEAR = 6  # largest difference, of 255, between 8 x 8 averages of pictures that count as near copies
_PROCESSES = 2
COMPONENT = "components"  # emojibase's group of signs that only modify others


def build(
    out: Path,
    *,
    size: int = 64,
    cache: Path | None = None,
    allowed: Collection[str] = licences.DEFAULT,
    force: bool = False,
) -> Path:
    """Write the emoji pack to `out` and return it.

    Sets whose licence is not in `allowed` are refused by name. Raises OrnsteinError and UsageError.
    """
    if size not in SIZES:
        raise UsageError(f"size must be 64 or 128, not {size}")
    if out.exists() and not force:
        raise UsageError(f"{out} exists already: choose another --out, or replace it with --force")
    manifest.arrow()
    notes: Counter[str] = Counter()
    icons = _read_icons(cache, notes)
    _refuse(icons, allowed)
    pictures = _render(icons, size, notes)
    pictures = _drop_copies(pictures, notes)
    rows = _rows(pictures)
    rows, pictures = _drop_leaks(rows, pictures, notes)
    notes["near copies between styles"] = _near_copies(pictures)
    items = [(row, picture.file) for row, (_, picture) in zip(rows, pictures, strict=True)]
    return write_pack(
        out,
        name="emoji",
        size=size,
        channels=4,
        items=items,
        variants=variant_names(),
        notes=dict(notes),
        force=force,
    )


def _read_icons(cache: Path | None, notes: Counter[str]) -> list[Icon]:
    prefixes = {f"json/{source.prefix}.json": source for source in SOURCES}
    with tempfile.TemporaryDirectory() as scratch:
        paths = [npm.archive(package, cache, Path(scratch)) for package in (EMOJIBASE, ICONIFY, FLUENT_3D)]
        words = npm.read(paths[0], lambda name: name.startswith(("en/", "meta/")) and name.endswith(".json"))
        drawings = npm.read(paths[1], prefixes.__contains__)
        bitmaps = npm.read(paths[2], lambda name: name.startswith("assets/") and name.endswith(".webp"))
    if missing := sorted(set(prefixes) - set(drawings)):
        raise OrnsteinError(f"{ICONIFY} lacks {', '.join(missing)}: fetch the package again")
    sets = {source.prefix: json.loads(drawings[path]) for path, source in prefixes.items()}
    names = read_names(words, sets)
    codes = sets["fluent-emoji-flat"].get("chars", {})
    sets["fluent-emoji"].setdefault("chars", codes)  # the same drawings in gradients: same names, same codes
    unread: list[str] = []
    icons = [icon for source in SOURCES for icon in icons_of(source, sets[source.prefix], names, unread)]
    icons += icons_3d(bitmaps, names, unread)
    notes["left out: name not understood"] = len(unread)
    drawings_only = [icon for icon in icons if icon.meaning.group != COMPONENT]
    notes["left out: swatches of skin and hair"] = len(icons) - len(drawings_only)
    return drawings_only


def _refuse(icons: Sequence[Icon], allowed: Collection[str]) -> None:
    rows = [_row(icon, "", TRAIN) for icon in icons if icon.licence not in allowed]
    manifest.refuse(rows, allowed)


def _render(icons: Sequence[Icon], size: int, notes: Counter[str]) -> list[tuple[Icon, Rendered]]:
    out: list[tuple[Icon, Rendered]] = []
    try:
        with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
            results = pool.map(render, (icon.drawing for icon in icons), repeat(size), chunksize=32)
            for icon, result in track(zip(icons, results, strict=True), "rendering", len(icons)):
                if isinstance(result, str):
                    notes[f"left out: {result}"] += 1
                else:
                    out.append((icon, result))
    except BrokenProcessPool as error:
        raise OrnsteinError("a rendering process was killed: free some memory and fetch again") from error
    return out


def _drop_copies(pictures: list[tuple[Icon, Rendered]], notes: Counter[str]) -> list[tuple[Icon, Rendered]]:
    """Keep the first of equal pictures of one concept, whatever their styles and skin tones."""
    seen: set[tuple[str, bytes]] = set()
    kept: list[tuple[Icon, Rendered]] = []
    for icon, picture in sorted(pictures, key=lambda pair: pair[0].meaning.variant):
        key = (icon.meaning.concept, picture.digest)
        if key not in seen:
            seen.add(key)
            kept.append((icon, picture))
    notes["left out: exact copy in the same concept"] = len(pictures) - len(kept)
    return kept


def _rows(pictures: Sequence[tuple[Icon, Rendered]]) -> list[Row]:
    keys = [(icon.meaning.concept, icon.meaning.family, icon.style) for icon, _ in pictures]
    hashes = [hashlib.sha256(picture.file).hexdigest() for _, picture in pictures]
    return [
        _row(icon, sha256, split)
        for (icon, _), sha256, split in zip(pictures, hashes, splits.assign(keys), strict=True)
    ]


def _row(icon: Icon, sha256: str, split: str) -> Row:
    meaning = icon.meaning
    return Row(
        id=icon.id,
        sha256=sha256,
        licence=icon.licence,
        holder=icon.holder,
        source=icon.source,
        split=split,
        concept=meaning.concept,
        style=icon.style,
        variant=meaning.variant,
        captions=captions.forms(meaning, icon.style),
        family=meaning.family,
        group=meaning.group,
        gender=meaning.gender,
    )


def _drop_leaks(
    rows: list[Row], pictures: list[tuple[Icon, Rendered]], notes: Counter[str]
) -> tuple[list[Row], list[tuple[Icon, Rendered]]]:
    """Leave out training pictures equal to a held-out one (the flags of Norway and of Bouvet Island)."""
    held = {picture.digest for row, (_, picture) in zip(rows, pictures, strict=True) if row.split != TRAIN}
    keep = [
        row.split != TRAIN or picture.digest not in held
        for row, (_, picture) in zip(rows, pictures, strict=True)
    ]
    notes["left out: training copy of a held-out picture"] = keep.count(False)
    chosen = [pair for pair, wanted in zip(zip(rows, pictures, strict=True), keep, strict=True) if wanted]
    return [row for row, _ in chosen], [picture for _, picture in chosen]


def _near_copies(pictures: Sequence[tuple[Icon, Rendered]]) -> int:
    """Count pictures that look like one of the same concept and variant in an earlier style."""
    groups: dict[tuple[str, int], list[tuple[str, np.ndarray]]] = {}
    for icon, picture in pictures:
        tiny = np.frombuffer(picture.tiny, dtype=np.uint8).astype(np.int16)
        groups.setdefault((icon.meaning.concept, icon.meaning.variant), []).append((icon.style, tiny))
    return sum(
        any(other != style and np.abs(tiny - before).max() <= _NEAR for other, before in group[:place])
        for group in groups.values()
        for place, (style, tiny) in enumerate(group)
    )
