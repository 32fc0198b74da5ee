"""Does a picture show what a text says? A small pair of networks, trained on licensed pictures and their captions only.

Pictures and texts are mapped to unit vectors of one space in which a picture lies near its own caption (contrastive
learning: Radford et al. 2021, arXiv 2103.00020). It stands where others put CLIP, and knows only what its training
pictures show: its own retrieval on real held-out pictures, kept beside the weights, says how far to trust it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ornstein.condition.text import TextEncoder
from ornstein.config import Config, parse
from ornstein.errors import OrnsteinError
from ornstein.evaluate.trunk import to_pixels, trunk
from ornstein.evaluate.weights import load_weights, save_weights

WHAT = "scorer"  # stem of its files
BATCH = 256  # pictures looked at together


class ScorerConfig(Config):
    """Shape of a scorer.

    Attributes:
        size: side of the pictures it looks at. channels: numbers of their pixels.
        widths: channels of the convolutions, halving the side each time. space: dimensions of the common space.
        length: tokens a text is cut to.
    """

    size: int = Field(default=64, ge=16)
    channels: int = Field(default=4, ge=1, le=4)
    widths: tuple[int, ...] = (32, 64, 128, 256)
    space: int = Field(default=128, ge=2)
    length: int = Field(default=18, ge=2, le=256)


class Scorer(nn.Module):
    """Both networks and the temperature of their comparison.

    As a ``FeatureNetwork`` it maps pictures to the 256 numbers before its last layer.
    """

    def __init__(self, config: ScorerConfig, states_width: int = TextEncoder.width) -> None:
        super().__init__()
        self.config = config
        self.trunk = trunk(config.channels, config.widths)
        self.from_picture = nn.Linear(config.widths[-1], config.space)
        self.from_text = nn.Sequential(
            nn.LayerNorm(states_width), nn.Linear(states_width, 512), nn.GELU(), nn.Linear(512, config.space)
        )
        self.temperature = nn.Parameter(torch.tensor(2.7))  # logarithm of the factor on cosines

    def pictures(self, pixels: Float[Tensor, "rows channels side side"]) -> Float[Tensor, "rows space"]:
        """Unit vectors of pictures in [-1, 1]."""
        return F.normalize(self.from_picture(self.trunk(pixels)), dim=1)

    def texts(
        self, states: Float[Tensor, "rows tokens width"], mask: Bool[Tensor, "rows tokens"]
    ) -> Float[Tensor, "rows space"]:
        """Unit vectors of texts, from their token states."""
        weight = mask[..., None].to(states.dtype)
        mean = (states * weight).sum(1) / weight.sum(1).clamp(min=1)
        return F.normalize(self.from_text(mean), dim=1)


class TrainedScorer:
    """A scorer that has been trained, with what is known of it.

    Args:
        scorer: the networks.
        encoder: reads texts.
        facts: what it learned from and how well it finds real held-out pictures.
        key: names it in caches.
    """

    name = "Scorer"

    def __init__(self, scorer: Scorer, encoder: TextEncoder, facts: dict[str, Any], key: str) -> None:
        self.scorer, self.encoder, self.facts = scorer.eval(), encoder, facts
        self.key, self.width = key, scorer.config.widths[-1]

    @classmethod
    def load(cls, folder: Path, encoder_folder: Path | None = None) -> TrainedScorer:
        """Read a scorer's folder.

        Raises:
            OrnsteinError: it is none, or it is damaged.
        """
        facts, tensors = load_weights(folder, WHAT)
        try:
            config = parse(ScorerConfig, facts["config"])
            scorer = Scorer(config)
            scorer.load_state_dict(tensors)
        except (ValueError, KeyError, RuntimeError) as error:
            raise OrnsteinError(f"{folder} holds no readable scorer: {error}") from error
        key = f"scorer-{facts['sha256'][:12]}"
        return cls(scorer, TextEncoder.find(encoder_folder, config.length), facts, key)

    @staticmethod
    def save(folder: Path, scorer: Scorer, facts: dict[str, Any]) -> None:
        """Write a scorer whole or not at all."""
        save_weights(folder, WHAT, scorer, {"config": scorer.config.model_dump(mode="json"), **facts})

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray, /) -> Tensor:
        """Features of uint8 (N, H, W, C) pictures, premultiplied: float32 (N, width)."""
        return torch.cat([self.scorer.trunk(part) for part in self._batches(pictures)])

    @torch.inference_mode()
    def see(self, pictures: np.ndarray) -> Float[Tensor, "rows space"]:
        """Unit vectors of uint8 (N, H, W, C) pictures, premultiplied."""
        return torch.cat([self.scorer.pictures(part) for part in self._batches(pictures)])

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> Float[Tensor, "rows space"]:
        """Unit vectors of texts."""
        tokens = self.encoder.encode(texts)
        return self.scorer.texts(tokens.states, tokens.mask)

    def _batches(self, pictures: np.ndarray) -> list[Tensor]:
        parts = [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
        return [to_pixels(part, self.scorer.config.size) for part in parts]
