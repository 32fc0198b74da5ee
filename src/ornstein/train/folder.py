"""A user's folder as a packed set."""

from __future__ import annotations

from pathlib import Path


def packed(folder: Path) -> Path:
    """Return the folder itself if it is a packed set."""
    return folder
