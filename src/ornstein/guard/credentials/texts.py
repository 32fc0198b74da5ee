"""Texts of strangers, fit to be printed."""

from __future__ import annotations

LONGEST = 200


def one_line(text: object) -> str:
    """On one line, without what steers a terminal, at most 200 characters."""
    line = " ".join(str(text).split())
    return "".join(character if character.isprintable() else "�" for character in line)[:LONGEST]
