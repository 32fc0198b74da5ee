"""ShieldGemma 2 (Zeng et al. 2025, arXiv 2504.01081): a vision-language model is asked whether a picture violates a
rule, and answers by the probability of "Yes". Labels: dangerous, sexual, violence.

Its 4 billion weights are a download that asks to accept Google's terms; they come from the hub, its cache, or a folder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ornstein.errors import MissingExtraError
from ornstein.guard.decision import CheckerError

SOURCE = "google/shieldgemma-2-4b-it"
YES = 0  # of (yes, no), in the order in which the model gathers its logits


def load(source: str | None) -> ShieldGemma:
    """The checker, from a name on the hub or a folder. Raises MissingExtraError, CheckerError: it cannot be loaded."""
    try:
        import torch
        from transformers import ShieldGemma2ForImageClassification, ShieldGemma2Processor
    except ImportError as error:
        raise MissingExtraError("the picture filter shieldgemma", "hub") from error
    name = source or SOURCE
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        processor = ShieldGemma2Processor.from_pretrained(name)
        model: Any = ShieldGemma2ForImageClassification.from_pretrained(name, use_safetensors=True)
    except Exception as error:  # transformers, the hub and the network have exceptions without a common base
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise CheckerError(
            f"cannot load shieldgemma from {name}: {why[:200]}; or name a folder: shieldgemma:FOLDER"
        ) from error
    return ShieldGemma(model.eval().to(device), processor)


class ShieldGemma:
    """See ``PictureChecker``."""

    name = "shieldgemma"

    def __init__(self, model: Any, processor: Any) -> None:
        self._model, self._processor = model, processor
        self.labels: tuple[str, ...] = tuple(processor.policy_definitions)

    def scores(self, pictures: np.ndarray) -> list[dict[str, float]]:
        """As ``PictureChecker``; one picture at a time, against every rule at once."""
        return [self._scores(Image.fromarray(picture)) for picture in pictures]

    def _scores(self, picture: Image.Image) -> dict[str, float]:
        import torch

        inputs = self._processor(images=[picture], policies=self.labels, return_tensors="pt").to(
            self._model.device
        )
        with torch.inference_mode():
            yes = self._model(**inputs).probabilities[:, YES]
        return dict(zip(self.labels, yes.float().tolist(), strict=True))
