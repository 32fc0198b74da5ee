"""A transformer on patches of a grid: pictures, sequences, volumes."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ornstein.config import Config
from ornstein.net.dit import Transformer, TransformerConfig
from ornstein.net.tokens import grid_coordinates, patch_means, patchify, unpatchify


class PatchedConfig(Config):
    """A transformer on patches.

    Attributes:
        patch: side of a patch, in elements.
        bottleneck: width of the first linear map of a patch (JiT, arXiv 2511.13720, section 4.3).
        smooth: hidden channels of the convolutions that join the patches of the output; 0 for none.
    """

    kind: Literal["transformer"] = "transformer"
    transformer: TransformerConfig = TransformerConfig()
    patch: int = Field(default=8, ge=1, le=1024)
    bottleneck: int = Field(default=128, ge=1, le=65_536)
    smooth: int = Field(default=16, ge=0, le=4096)

    @property
    def width(self) -> int:
        """Of the condition tokens it takes."""
        return self.transformer.width

    @property
    def axes(self) -> int:
        """Of the samples."""
        return self.transformer.axes

    @property
    def multiple(self) -> int:
        """What a sample's sides must be multiples of."""
        return self.patch

    @property
    def summary(self) -> str:
        """A phrase for people."""
        blocks = f"{self.transformer.depth} blocks, width {self.transformer.width}"
        return f"a transformer of {blocks}, on patches of {self.patch} pixels"

    def tokens(self, size: int) -> int:
        """Tokens of a sample whose sides are `size`."""
        return (size // self.patch) ** self.transformer.axes

    def memory(self, size: int, states: int) -> int:
        """About how many bytes one row of so many condition tokens takes at most: a block's streams and its scores."""
        tokens, shape = self.tokens(size) + states, self.transformer
        return tokens * (24 * shape.width + 10 * shape.heads * tokens)

    def build(self, channels: int) -> PatchedTransformer:
        """The network, with fresh weights."""
        return PatchedTransformer(self, channels)


class PatchedTransformer(nn.Module):
    """Patches in, transformer, patches out, and a small convolution across their seams.

    Args:
        config: the shape.
        channels: numbers an element holds.
    """

    def __init__(self, config: PatchedConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        axes, width = config.transformer.axes, config.transformer.width
        numbers = config.patch**axes * channels
        self.embed = nn.Sequential(
            nn.Linear(numbers, config.bottleneck, bias=False), nn.Linear(config.bottleneck, width)
        )
        self.transformer = Transformer(config.transformer)
        self.head = nn.Linear(width, numbers)
        self.smooth = Smooth(axes, channels, config.smooth) if config.smooth else None
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        z: Float[Tensor, "rows *spatial channels"],
        logsnr: Float[Tensor, "rows ..."],
        condition: Float[Tensor, "rows states width"],
        condition_mask: Bool[Tensor, "rows states"],
    ) -> Float[Tensor, "rows *spatial channels"]:
        """Map (B, *spatial, C) to the same shape.

        Args:
            z: input of unit variance; spatial sides are multiples of the patch.
            logsnr: (B,), or a longer prefix of `z`'s shape for levels by element (averaged over a patch).
            condition: (B, M, width) tokens.
            condition_mask: (B, M), True for real tokens.
        """
        spatial, patch = tuple(z.shape[1:-1]), self.config.patch
        tokens = self.embed(patchify(z, patch))
        places = grid_coordinates(spatial, patch, z.device)[None]
        levels = patch_means(logsnr, patch, spatial)
        hidden = self.transformer(tokens, places, levels, condition, condition_mask)
        output = unpatchify(self.head(hidden), patch, spatial)
        return output if self.smooth is None else self.smooth(output, z)


class Smooth(nn.Module):
    """A residual pair of 3-wide convolutions on (output, input): removes the seams between patches.

    The last one starts at zero, so at first the output passes unchanged.
    """

    def __init__(self, axes: int, channels: int, hidden: int) -> None:
        super().__init__()
        convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
        self.into = convolution(2 * channels, hidden, 3, padding=1)
        self.out = convolution(hidden, channels, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    def forward(
        self, output: Float[Tensor, "rows *spatial channels"], z: Float[Tensor, "rows *spatial channels"]
    ) -> Float[Tensor, "rows *spatial channels"]:
        both = torch.cat([output, z.to(output.dtype)], dim=-1).movedim(-1, 1)
        return output + self.out(F.silu(self.into(both))).movedim(1, -1)
