"""Where bundles are found: shipped with the package, installed for the user, or in a folder that is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ornstein.errors import OrnsteinError, nearest

SHIPPED = Path(__file__).parent / "bundles"


def home() -> Path:
    """The user's folder of bundles: under ORNSTEIN_HOME, else ``~/.local/share/ornstein``."""
    return Path(os.environ.get("ORNSTEIN_HOME") or Path.home() / ".local/share/ornstein") / "bundles"


def shelf() -> dict[str, Path]:
    """Every named bundle; the user's own, such as one that had to forget, stands before a shipped one of that name."""
    return {path.name: path for place in (SHIPPED, home()) for path in _bundles(place)}


def find(name_or_folder: str | Path) -> Path:
    """The folder of a bundle.

    Raises:
        OrnsteinError: neither a known name nor a folder; the nearest name is given.
    """
    name = str(name_or_folder)
    known = shelf()
    if name in known:
        return known[name]
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        return folder
    hint = nearest(name, known) if known else "; none is installed: train one, or name its folder"
    raise OrnsteinError(f"no model {name!r}{hint}")


def _bundles(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from sorted(path for path in place.iterdir() if (path / "model.json").is_file())
