"""From scores to decisions: a policy's thresholds, applied to every picture; what cannot be checked does not pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ornstein.errors import UsageError, nearest
from ornstein.guard.decision import Action, CheckerError, Decision, Finding
from ornstein.guard.pictures.checker import PictureChecker, find_checker, lay
from ornstein.guard.policy import Threshold


class PictureFilter:
    """The checkers of one stage of a policy, loaded and ready.

    Args:
        thresholds: of the stage.
        stage: input for pictures that a request brings, output for generated ones.

    Raises:
        UsageError: a checker or a label that does not exist. CheckerError: a checker that is not installed.
    """

    def __init__(self, thresholds: Sequence[Threshold], stage: Literal["input", "output"]) -> None:
        self._stage: Literal["input", "output"] = stage
        self._thresholds = tuple(thresholds)
        names = dict.fromkeys(threshold.checker for threshold in thresholds)
        self._checkers = {name: find_checker(name) for name in names}
        for threshold in thresholds:
            labels = self._checkers[threshold.checker].labels
            if threshold.label not in labels:
                raise UsageError(
                    f"{threshold.checker} has no label {threshold.label!r}{nearest(threshold.label, labels)}"
                )

    def check(self, pictures: np.ndarray) -> list[tuple[Decision, ...]]:
        """What is decided about each picture, one decision a threshold, in the order of the policy.

        Args:
            pictures: uint8 (B, H, W, C): premultiplied RGBA, RGB or grey.

        Raises:
            CheckerError: a checker broke down or gave no usable score; none of the pictures may pass.
        """
        if not self._thresholds:
            return [()] * len(pictures)
        laid = lay(pictures)
        scores = {name: _scores(checker, laid) for name, checker in self._checkers.items()}
        return [
            tuple(self._decide(each, scores[each.checker][index][each.label]) for each in self._thresholds)
            for index in range(len(pictures))
        ]

    def _decide(self, threshold: Threshold, score: float) -> Decision:
        action: Action = "allow"
        if threshold.deny is not None and score >= threshold.deny:
            action = "deny"
        elif threshold.review is not None and score >= threshold.review:
            action = "review"
        name = threshold.checker.partition(":")[0]  # where its weights lie stays here
        return Decision(
            stage=self._stage,
            action=action,
            rule=f"{name}-{threshold.label}",
            reason="" if action == "allow" else threshold.reason,
            finding=Finding(checker=name, label=threshold.label, score=score),
        )


def _scores(checker: PictureChecker, pictures: np.ndarray) -> list[dict[str, float]]:
    """Scores of every picture for every label, each a number from 0 to 1."""
    try:
        found = checker.scores(pictures)
        usable = len(found) == len(pictures) and all(
            0 <= scores[label] <= 1 for scores in found for label in checker.labels
        )
    except Exception as error:  # whatever it is, it must not let a picture through
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise CheckerError(
            f"the picture filter {checker.name} broke down ({why}): nothing passes unchecked"
        ) from error
    if not usable:  # not a number is in no range either
        raise CheckerError(
            f"the picture filter {checker.name} gave no usable score: nothing passes unchecked"
        )
    return found
