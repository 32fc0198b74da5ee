"""Does a picture show what a text says? A small pair of networks, trained on licensed pictures and their captions only.

Pictures and texts are mapped to unit vectors of one space in which a picture lies near its own caption (contrastive
learning: Radford et al. 2021, arXiv 2103.00020). It stands where others put CLIP, and knows only what its training
pictures show: its own retrieval on real held-out pictures, kept beside the weights, says how far to trust it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import pairwise
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
from ornstein.data.atomic import new_folder
from ornstein.errors import OrnsteinError

HEADER, WEIGHTS = "scorer.json", "scorer.safetensors"
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
        sides = (config.channels, *config.widths)
        self.trunk = nn.Sequential(*(Stage(i, o) for i, o in pairwise(sides)), Average())
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


class Stage(nn.Module):
    """Halve the side, then two residual pairs of convolutions with batch norm (He et al. 2015, arXiv 1512.03385)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )
        self.pairs = nn.ModuleList(_pair(outputs) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        for pair in self.pairs:
            x = F.relu(x + pair(x))
        return x


class Average(nn.Module):
    """Mean over all places."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def _pair(width: int) -> nn.Sequential:
    norms = [nn.BatchNorm2d(width) for _ in range(2)]
    convolutions = [nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2)]
    nn.init.zeros_(norms[1].weight)  # a new pair is the identity
    return nn.Sequential(convolutions[0], norms[0], nn.ReLU(), convolutions[1], norms[1])


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
        from safetensors.torch import load

        try:
            facts = json.loads((folder / HEADER).read_text(encoding="utf-8"))
            content = (folder / WEIGHTS).read_bytes()
            config = parse(ScorerConfig, facts["config"])
            digest = hashlib.sha256(content).hexdigest()
            if digest != facts["sha256"]:
                raise OrnsteinError(f"{folder / WEIGHTS} was altered: train the scorer again")
            scorer = Scorer(config)
            scorer.load_state_dict({name: value.float() for name, value in load(content).items()})
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise OrnsteinError(f"{folder} holds no readable scorer: {error}") from error
        return cls(scorer, TextEncoder.find(encoder_folder, config.length), facts, f"scorer-{digest[:12]}")

    @staticmethod
    def save(folder: Path, scorer: Scorer, facts: dict[str, Any]) -> None:
        """Write a scorer whole or not at all; weights in bfloat16, running variances too."""
        from safetensors.torch import save

        tensors = {
            name: value.to(torch.bfloat16) if value.is_floating_point() else value
            for name, value in scorer.state_dict().items()
        }
        content = save({name: value.contiguous() for name, value in tensors.items()})
        header = {
            "config": scorer.config.model_dump(mode="json"), "sha256": hashlib.sha256(content).hexdigest(), **facts,
        }  # fmt: skip
        with new_folder(folder, force=True) as part:
            (part / WEIGHTS).write_bytes(content)
            (part / HEADER).write_text(json.dumps(header, indent=1), encoding="utf-8")

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


def to_pixels(pictures: np.ndarray, size: int) -> Float[Tensor, "rows channels side side"]:
    """uint8 (N, H, W, C) to floats in [-1, 1], channels first, resized where they have another side."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1).float() / 127.5 - 1.0
    if x.shape[-2:] == (size, size):
        return x
    return F.interpolate(x, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp_(-1, 1)
