"""The flagship set: emoji of nine licensed drawing styles, joined by what they show."""

from ornstein.data.emoji.make import build

__all__ = ["build"]
