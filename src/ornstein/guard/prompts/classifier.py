"""Checkers that score a prompt's text, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from ornstein.errors import MissingExtraError, UsageError, nearest


class PromptChecker(Protocol):
    """Scores prompts that have been made plain."""

    def scores(self, prompts: Sequence[str]) -> list[dict[str, float]]:
        """For each prompt the score, from 0 to 1, of each of the checker's labels."""
        ...


class Profanity:
    """Whether a text reads like a rude comment: label "profanity".

    The mean of five linear support-vector machines over words, each with its logistic calibration (Platt 1999), trained
    by others on labelled comments (``alt-profanity-check``, MIT). Its package unpickles its own files when it is
    imported, which takes a second or two. What they say is computed at once: scikit-learn takes six times as long.

    Raises:
        MissingExtraError: the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from profanity_check.profanity_check import model, vectorizer
        except ImportError as error:
            raise MissingExtraError("the prompt checker profanity", "guard") from error
        folds = model.calibrated_classifiers_
        self._count = vectorizer.transform
        self._weights = np.stack([fold.estimator.coef_[0] for fold in folds], axis=1)  # (words, folds)
        self._biases = np.array([fold.estimator.intercept_[0] for fold in folds])
        self._slopes = np.array([fold.calibrators[0].a_ for fold in folds])
        self._shifts = np.array([fold.calibrators[0].b_ for fold in folds])

    def scores(self, prompts: Sequence[str]) -> list[dict[str, float]]:
        margins = self._count(prompts) @ self._weights + self._biases  # (prompts, folds)
        chances = 1 / (1 + np.exp(np.clip(self._slopes * margins + self._shifts, -700, 700)))
        return [{"profanity": float(score)} for score in chances.mean(axis=1)]


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
