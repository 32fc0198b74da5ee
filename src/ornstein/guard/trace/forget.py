"""Take a holder's pictures, or a single one, out of a model's manifest and index, and out of the pack.

The weights have learned from them all the same: the bundle says so from then on, until it is trained again.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from ornstein.bundle import MANIFEST, SOURCES, Bundle, Forgotten
from ornstein.data import manifest
from ornstein.data.atomic import new_folder
from ornstein.data.manifest import Row, root_hash
from ornstein.data.pack import Pack
from ornstein.data.write import FORGOTTEN, rewritten
from ornstein.errors import OrnsteinError, UsageError, nearest
from ornstein.guard.trace.index import Index
from ornstein.saving import without
from ornstein.shelf import SHIPPED, home


def forget(bundle: Bundle, what: str, day: date) -> Bundle:
    """Take what belongs to a holder, or has an id, out of manifest, counts and index at once, and mark the bundle.

    Args:
        bundle: a folder of the user's own (``own``).
        what: a holder's name or a picture's id, as the manifest has it.
        day: of today.

    Raises:
        UsageError: nothing is called so. OrnsteinError: no manifest, nothing would be left, or the disk refuses.
    """
    if bundle.facts.data is None:
        raise OrnsteinError(f"{bundle.folder} does not tell what it learned from: nothing can be taken out")
    rows = manifest.read(bundle.folder / MANIFEST)
    kept, gone = _parted(rows, what)
    mark = Forgotten(what=what, day=day.isoformat(), pictures=len(gone), root=bundle.facts.data.root)
    sources = None
    if SOURCES in bundle.facts.files:
        index = Index.of_bytes((bundle.folder / SOURCES).read_bytes())
        sources = index.without({row.id for row in gone}, root_hash(kept)).to_bytes()
    return without(bundle, kept, sources, mark)


def forget_in_pack(pack: Pack, what: str) -> Path:
    """Write the pack again without these pictures, in its place; what was computed beside it goes, too.

    Raises:
        UsageError: nothing is called so. OrnsteinError: nothing would be left, or the disk refuses.
    """
    _, gone = _parted(pack.rows(), what)
    return rewritten(pack, pack.folder, {row.id for row in gone}, FORGOTTEN, force=True)


def own(folder: Path) -> Path:
    """The folder itself, or of a shipped model a copy among the user's own, which stands before it from then on.

    Raises:
        OrnsteinError: the disk refuses.
    """
    folder = folder.resolve()
    if folder.parent != SHIPPED.resolve():
        return folder
    target = home() / folder.name
    with new_folder(target) as part:
        shutil.copytree(folder, part, dirs_exist_ok=True)
    return target


def _parted(rows: Sequence[Row], what: str) -> tuple[list[Row], list[Row]]:
    """The rows that stay and those that are meant."""
    gone = [row for row in rows if what in (row.holder, row.id)]
    if not gone or not what:
        holders = {row.holder for row in rows if row.holder}
        raise UsageError(f"no holder and no picture is called {what!r}{nearest(what, holders)}")
    if len(gone) == len(rows):
        raise OrnsteinError(f"{what!r} is all there is: delete the folder instead")
    return [row for row in rows if what not in (row.holder, row.id)], gone
