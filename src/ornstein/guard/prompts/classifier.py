"""Checkers that score a prompt's text, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ornstein.errors import MissingExtraError, UsageError, nearest


class PromptChecker(Protocol):
    """Scores prompts that have been made plain."""

    def scores(self, prompts: Sequence[str]) -> list[dict[str, float]]:
        """For each prompt the score, from 0 to 1, of each of the checker's labels."""
        ...


class Profanity:
    """Whether a text reads like a rude comment: label "profanity".

    A linear support-vector machine over words, trained by others on labelled comments (``alt-profanity-check``, MIT). Its
    package unpickles its own files when it is imported, which takes two seconds.

    Raises:
        MissingExtraError: the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from profanity_check import predict_prob
        except ImportError as error:
            raise MissingExtraError("the prompt checker profanity", "guard") from error
        self._predict = predict_prob

    def scores(self, prompts: Sequence[str]) -> list[dict[str, float]]:
        return [{"profanity": float(score)} for score in self._predict(list(prompts))]


CHECKERS: dict[str, Callable[[], PromptChecker]] = {"profanity": Profanity}
"""Checkers by the name that a policy uses. Add one to make it known."""


def checker(name: str) -> PromptChecker:
    """A checker by its name, loaded.

    Raises:
        UsageError: no checker has that name. MissingExtraError: it needs a package that is not installed.
    """
    if name not in CHECKERS:
        raise UsageError(f"unknown prompt checker {name!r}{nearest(name, CHECKERS)}")
    return CHECKERS[name]()
