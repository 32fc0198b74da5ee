"""ShieldGemma 2 (Zeng et al. 2025, arXiv 2504.01081): a vision-language model is asked whether a picture violates a
rule, and answers by the probability of "Yes". Labels: dangerous, sexual, violence.

Its 4 billion weights are a download that asks to accept Google's terms; they come from the hub, its cache, or a folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ornstein.errors import MissingExtraError
from ornstein.guard.decision import CheckerError

SOURCE = "google/shieldgemma-2-4b-it"
FILES = ("*.json", "*.jinja", "*.safetensors", "tokenizer.model")
YES = 0  # of (yes, no), in the order in which the model gathers its logits


def load(source: str | None) -> ShieldGemma:
    """The checker, from a name on the hub or a folder. Raises MissingExtraError, CheckerError: it cannot be loaded."""
    try:
        import torch
        from transformers import ShieldGemma2ForImageClassification, ShieldGemma2Processor
    except ImportError as error:
        raise MissingExtraError("the picture filter shieldgemma", "hub") from error
    folder = _folder(source or SOURCE)
    try:
        processor = ShieldGemma2Processor.from_pretrained(folder)
        loaded: Any = ShieldGemma2ForImageClassification.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # transformers has exceptions without a common base
        raise CheckerError(f"cannot load shieldgemma from {folder}: {_first_line(error)}") from error
    model, info = loaded
    if info["missing_keys"] or info["mismatched_keys"]:  # which transformers fills with random numbers
        raise CheckerError(f"the weights in {folder} are not those of ShieldGemma 2")
    return ShieldGemma(model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), processor)


def _folder(source: str) -> Path:
    """A folder as it is, or of a name on the hub the one in its cache; only if there is none is the network asked."""
    from huggingface_hub import snapshot_download

    if Path(source).expanduser().is_dir():
        return Path(source).expanduser()
    failure: Exception | None = None
    for offline in (True, False):
        try:
            return Path(snapshot_download(source, allow_patterns=list(FILES), local_files_only=offline))
        except Exception as error:  # the hub client raises a dozen unrelated types
            failure = error
    raise CheckerError(
        f"shieldgemma: {source} is neither a folder nor in the hub's cache, and the hub does not give it "
        "(it asks to accept Google's terms first): name a folder, shieldgemma:FOLDER"
    ) from failure


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


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
