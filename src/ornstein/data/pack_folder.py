"""Turn a folder of the user's pictures into a pack."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from ornstein.data import folder as folders
from ornstein.data import licences, manifest, pixels, splits
from ornstein.data.folder import Entry, Problem
from ornstein.data.manifest import HELD_OUT, TRAIN, Row
from ornstein.data.progress import track
from ornstein.data.reader import BadPictureError, read_picture
from ornstein.data.write import write_pack
from ornstein.errors import OrnsteinError, UsageError

SIZES = range(8, 1025)
HELD_OUT_SHARE = 0.05


def pack_folder(
    source: Path,
    out: Path,
    *,
    size: int = 64,
    licence: str | None = None,
    holder: str | None = None,
    allowed: Collection[str] = licences.DEFAULT,
    held_out: float = HELD_OUT_SHARE,
    skip_bad: bool = False,
    force: bool = False,
) -> Path:
    """Write the pictures of `source` as a pack to `out` and return it.

    `held_out` is the share kept from training, chosen by the pixels so that copies stay together.
    Raises OrnsteinError for unusable files (unless `skip_bad`), missing or disallowed licences, and
    UsageError for arguments that cannot be meant.
    """
    _check_arguments(source, out, size, held_out, force)
    listing = folders.scan(source)
    problems = list(listing.problems)
    problems += [Problem(name, "no caption") for name in listing.uncaptioned]
    entries = folders.require_licences(listing.entries, licence, holder)
    manifest.refuse([_row(entry, "", TRAIN) for entry in entries], allowed)
    items: list[tuple[Row, bytes]] = []
    for entry in track(entries, "reading pictures", len(entries)):
        try:
            picture = read_picture(entry.path, size)
        except BadPictureError as error:
            problems.append(Problem(entry.id, str(error)))
            continue
        data = pixels.encode(picture)
        pixel_hash = hashlib.sha256(picture.tobytes()).hexdigest()
        split = HELD_OUT if splits.position("item", pixel_hash) < held_out else TRAIN
        items.append((_row(entry, hashlib.sha256(data).hexdigest(), split), data))
    if problems and not skip_bad:
        raise OrnsteinError(_named(source, problems))
    notes = {"left out: unusable": len(problems)} if problems else {}
    name = source.resolve().name
    return write_pack(out, name=name, size=size, channels=4, items=items, notes=notes, force=force)


def _check_arguments(source: Path, out: Path, size: int, held_out: float, force: bool) -> None:
    if size not in SIZES:
        raise UsageError(f"size must be {SIZES.start} to {SIZES.stop - 1}, not {size}")
    if not 0 <= held_out < 1:
        raise UsageError(f"the held-out share must be at least 0 and below 1, not {held_out}")
    if out.exists() and not force:
        raise UsageError(f"{out} exists already: choose another --out, or replace it with --force")
    if out.resolve() == source.resolve():
        raise UsageError(f"{out} is the folder to read: choose another --out")
    if source.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{out} holds the folder to read: choose another --out")


def _row(entry: Entry, sha256: str, split: str) -> Row:
    facts = entry.facts
    return Row(
        id=entry.id,
        sha256=sha256,
        licence=facts["licence"],
        holder=facts["holder"],
        source=facts.get("source", entry.id),
        split=split,
        concept=entry.concept,
        style=facts.get("style", ""),
        variant=0,
        captions=entry.captions,
        family=entry.concept,
    )


def _named(source: Path, problems: list[Problem]) -> str:
    some = "; ".join(f"{problem.path}: {problem.why}" for problem in problems[:3])
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return f"{source}: {len(problems)} unusable: {some}{more}: mend them, or leave them out with --skip-bad"
