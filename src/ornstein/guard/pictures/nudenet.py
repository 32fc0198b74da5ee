"""NudeNet, a detector of body parts in photographs; one label a kind of part, its score that of the surest detection.

No extra of ours installs the package `nudenet`: its wheel says MIT in one place and carries the AGPL-3.0 in another.
Whoever has settled that for themselves installs it, and names the checker in a policy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ornstein.guard.decision import CheckerError

PARTS = {
    "genitalia": ("FEMALE_GENITALIA_EXPOSED", "MALE_GENITALIA_EXPOSED"),
    "breast": ("FEMALE_BREAST_EXPOSED",),
    "buttocks": ("BUTTOCKS_EXPOSED", "ANUS_EXPOSED"),
}
"""Label to the detector's classes. It reports nothing under 0.25, so no threshold lies below that."""


def load(source: str | None) -> NudeNet:
    """The checker, with the weights in the package, or in the ONNX file named. Raises CheckerError."""
    try:
        from nudenet import NudeDetector  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise CheckerError(
            "the checker nudenet is not installed: pip install nudenet (read its licence first: AGPL-3.0)"
        ) from error
    try:
        return NudeNet(NudeDetector(model_path=source))
    except Exception as error:  # onnxruntime has exceptions of its own without a common base
        raise CheckerError(f"cannot load nudenet from {source}: {str(error).splitlines()[0]}") from error


class NudeNet:
    """See ``PictureChecker``."""

    name = "nudenet"
    labels = tuple(PARTS)

    def __init__(self, detector: Any) -> None:
        self._detector = detector

    def scores(self, pictures: np.ndarray) -> list[dict[str, float]]:
        """As ``PictureChecker``."""
        # as OpenCV reads files: BGR
        return [strongest(self._detector.detect(np.ascontiguousarray(p[..., ::-1]))) for p in pictures]


def strongest(detections: list[dict[str, Any]]) -> dict[str, float]:
    """The highest score for each label of ``PARTS``; 0 where nothing of the kind was detected."""
    return {
        label: max((float(found["score"]) for found in detections if found["class"] in classes), default=0.0)
        for label, classes in PARTS.items()
    }
