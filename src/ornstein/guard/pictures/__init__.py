"""Filters of pictures, brought or generated: checkers give scores, a policy's thresholds make decisions of them."""

from ornstein.guard.pictures.checker import PictureChecker, find_checker
from ornstein.guard.pictures.filter import PictureFilter

__all__ = ["PictureChecker", "PictureFilter", "find_checker"]
