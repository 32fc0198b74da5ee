"""A user's folder as a packed set: packed once beside the run, and again when the pictures change."""

from __future__ import annotations

from pathlib import Path

from ornstein.data.pack import HEADER
from ornstein.data.pack_folder import pack_folder


def packed(folder: Path, target: Path, licence: str | None, holder: str | None) -> Path:
    """Return `folder` if it is a packed set, else pack it to `target` (at 64 px) unless that was done before.

    Args:
        folder: pictures with captions (metadata.jsonl, class folders, or same-stem .txt), or a pack.
        target: where the pack goes.
        licence: SPDX identifier of pictures whose metadata names none.
        holder: who holds them.

    Raises:
        OrnsteinError: unusable files, a missing or disallowed licence; each is named.
    """
    if (folder / HEADER).is_file():
        return folder
    if not (target / HEADER).is_file():
        pack_folder(folder, target, licence=licence, holder=holder)
    return target
