"""A U-Net: convolutions where a grid is fine, the transformer's blocks where it is coarse; one, two or three axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ornstein.config import Config
from ornstein.net.attention import rotary_angles
from ornstein.net.blocks import Block, LevelEmbedding, masked_mean, modulate
from ornstein.net.convolution import Convolution, Residual
from ornstein.net.tokens import grid_coordinates, patch_means, patchify, unpatchify

HALF = math.sqrt(0.5)
"""By which skip and stream are scaled where they meet, so that their sum of squares stays (Imagen, arXiv 2205.11487,
appendix B)."""


class Level(Config):
    """One resolution of a U-Net, on the way down and on the way up.

    Attributes:
        width: channels.
        blocks: residual blocks each way.
        heads: of the attention that follows each block, over all places and the condition; 0 for none.
    """

    width: int = Field(ge=16, le=65_536)
    blocks: int = Field(default=2, ge=1, le=100)
    heads: int = Field(default=0, ge=0, le=1024)

    @model_validator(mode="after")
    def _splits(self) -> Level:
        if self.heads and self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} does not split into {self.heads} heads of even width")
        return self


class UNetConfig(Config):
    """A U-Net.

    Attributes:
        levels: finest first; each has half the side of the one before. The last is passed once.
        axes: of the samples.
    """

    kind: Literal["unet"] = "unet"
    levels: tuple[Level, ...] = Field(
        default=(Level(width=32, blocks=2), Level(width=64, blocks=2), Level(width=128, blocks=4, heads=4)),
        min_length=1,
        max_length=10,
    )
    axes: int = Field(default=2, ge=1, le=3)

    @model_validator(mode="after")
    def _hears(self) -> UNetConfig:
        if not any(level.heads for level in self.levels):
            raise ValueError("no level has heads: without attention only the mean of a condition is heard")
        return self

    @property
    def width(self) -> int:
        """Of the condition tokens it takes."""
        return self.levels[-1].width

    @property
    def multiple(self) -> int:
        """What a sample's sides must be multiples of."""
        return 2 ** (len(self.levels) - 1)

    @property
    def summary(self) -> str:
        """A phrase for people."""
        return f"a U-Net of {len(self.levels)} levels, {', '.join(str(level.width) for level in self.levels)} wide"

    def memory(self, size: int, states: int) -> int:
        """About how many bytes a row of so many condition tokens takes at most: every level's streams, one's scores."""
        total, most, places = 0, 0, size**self.axes
        for level in self.levels:
            total += 24 * level.width * places
            most = max(most, 10 * level.heads * places * (places + states))
            places //= 2**self.axes
        return total + most

    def build(self, channels: int) -> UNet:
        """The network, with fresh weights."""
        return UNet(self, channels)


class UNet(nn.Module):
    """Maps a sample to one of its shape, given a noise level and condition tokens (Ronneberger et al. 2015,
    arXiv 1505.04597; for diffusion Ho et al. 2020, arXiv 2006.11239).

    Down through the levels and up again; each way up meets what the way down left at its level. Sides are halved and
    doubled by moving places into channels and back, and the two ways meet in a linear map of both (the best of the
    variants that U-ViT compares, arXiv 2209.12152, section 3.1). New, it returns zero.

    Args:
        config: the shape.
        channels: numbers an element holds.
    """

    def __init__(self, config: UNetConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        axes, steered, widths = config.axes, config.width, [level.width for level in config.levels]
        corners = 2**axes
        finer, coarser = widths[:-1], widths[1:]
        self.level = LevelEmbedding(steered)
        self.pooled = nn.Linear(steered, steered, bias=False)
        self.embed = Convolution(axes, channels, widths[0])
        self.down = nn.ModuleList(Stage(level, axes, steered) for level in config.levels[:-1])
        self.shrink = nn.ModuleList(
            nn.Linear(corners * fine, coarse) for fine, coarse in zip(finer, coarser, strict=True)
        )
        self.bottom = Stage(config.levels[-1], axes, steered)
        self.grow = nn.ModuleList(
            nn.Linear(coarse, corners * fine) for fine, coarse in zip(finer, coarser, strict=True)
        )
        self.merge = nn.ModuleList(nn.Linear(2 * width, width) for width in finer)
        self.up = nn.ModuleList(Stage(level, axes, steered) for level in config.levels[:-1])
        self.modulation = nn.Linear(steered, 2 * widths[0])
        self.head = Convolution(axes, widths[0], channels)
        for module in (self.modulation, self.head):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(
        self,
        z: Float[Tensor, "rows *spatial channels"],
        logsnr: Float[Tensor, "rows ..."],
        condition: Float[Tensor, "rows states width"],
        condition_mask: Bool[Tensor, "rows states"],
    ) -> Float[Tensor, "rows *spatial channels"]:
        """Map (B, *spatial, C) to the same shape.

        Args:
            z: input of unit variance; spatial sides are multiples of 2 to the number of levels less one.
            logsnr: (B,), or a longer prefix of `z`'s shape for noise levels by element (averaged over what a place
                of a coarser grid covers).
            condition: (B, M, width) tokens.
            condition_mask: (B, M), True for real tokens.

        Raises:
            ValueError: a side that is no such multiple.
        """
        spatial, multiple = tuple(z.shape[1:-1]), self.config.multiple
        if any(side % multiple for side in spatial):
            raise ValueError(
                f"size {spatial} is not a multiple of {multiple}, as {self.config.summary} needs"
            )
        grids = [tuple(side >> k for side in spatial) for k in range(len(self.config.levels))]
        steers = self._steers(logsnr, spatial, masked_mean(condition, condition_mask))
        heard = condition, condition_mask
        x = self.embed(z.flatten(1, -2), spatial)
        left: list[Tensor] = []
        for k, (stage, shrink) in enumerate(zip(self.down, self.shrink, strict=True)):
            x = stage(x, grids[k], steers[k], *heard)
            left.append(x)
            x = shrink(patchify(x.unflatten(1, grids[k]), 2))
        x = self.bottom(x, grids[-1], steers[-1], *heard)
        for k in reversed(range(len(self.up))):
            x = unpatchify(self.grow[k](x), 2, grids[k]).flatten(1, -2)
            x = self.merge[k](torch.cat([x, left[k].to(x.dtype)], dim=-1) * HALF)
            x = self.up[k](x, grids[k], steers[k], *heard)
        shift, scale = self.modulation(F.silu(steers[0])).chunk(2, dim=-1)
        return self.head(F.silu(modulate(x, shift, scale)), spatial).unflatten(1, spatial)

    def _steers(
        self,
        logsnr: Float[Tensor, "rows ..."],
        spatial: tuple[int, ...],
        pooled: Float[Tensor, "rows width"],
    ) -> list[Float[Tensor, "rows _ width"]]:
        """What each level's norms are told: (B, 1, width), or (B, L, width) where elements differ in noise."""
        meaning = self.pooled(pooled)[:, None]
        if logsnr.ndim == 1:
            return [self.level(logsnr)[:, None] + meaning] * len(self.config.levels)
        means = (patch_means(logsnr, 2**k, spatial) for k in range(len(self.config.levels)))
        return [self.level(mean) + meaning for mean in means]


class Stage(nn.Module):
    """The blocks of one level, and what they share: modulation, places, and the condition in the level's width."""

    def __init__(self, level: Level, axes: int, steered: int) -> None:
        super().__init__()
        width, heads = level.width, level.heads
        self.head_width = width // heads if heads else 0
        self.blocks = nn.ModuleList(LevelBlock(axes, width, heads) for _ in range(level.blocks))
        self.condition = nn.Linear(steered, width) if heads else None
        self.modulation = nn.Linear(steered, (10 if heads else 4) * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(
        self,
        x: Float[Tensor, "rows places width"],
        grid: tuple[int, ...],
        steer: Float[Tensor, "rows #places steered"],
        condition: Float[Tensor, "rows states steered"],
        condition_mask: Bool[Tensor, "rows states"],
    ) -> Float[Tensor, "rows places width"]:
        """Run the blocks; `grid` is how the places lie, row-major."""
        modulation = self.modulation(F.silu(steer)).float().unflatten(-1, (-1, x.shape[-1]))
        context = None
        if self.condition is not None:
            coordinates = grid_coordinates(grid, 1, x.device).expand(x.shape[0], -1, -1)
            context = Context.of(self.condition(condition), condition_mask, coordinates, self.head_width)
        for block in self.blocks:
            x = block(x, grid, modulation, context)
        return x


@dataclass(frozen=True)
class Context:
    """What attention sees beside the places: condition tokens, a mask and a rotation over them and the places."""

    condition: Tensor
    mask: Tensor
    rotation: tuple[Tensor, Tensor]

    @classmethod
    def of(
        cls,
        condition: Float[Tensor, "rows states width"],
        condition_mask: Bool[Tensor, "rows states"],
        coordinates: Float[Tensor, "rows places axes"],
        head_width: int,
    ) -> Context:
        """The condition stands at the origin, before the places."""
        states, places = condition.shape[1], coordinates.shape[1]
        angles = F.pad(rotary_angles(coordinates, head_width), (0, 0, states, 0))[:, None]
        mask = F.pad(condition_mask, (0, places), value=True)[:, None, None]
        return cls(condition, mask, (angles.cos(), angles.sin()))


class LevelBlock(nn.Module):
    """Two convolutions, then attention where the level has heads; new, it is the identity.

    Attention is the transformer's own block over condition and places as one sequence: self- and cross-attention in
    one (the condition as more keys and values: GLIDE, arXiv 2112.10741, section 4). What it makes of the condition is
    left behind.
    """

    def __init__(self, axes: int, width: int, heads: int) -> None:
        super().__init__()
        self.convolve = Residual(axes, width)
        self.attend = Block(width, heads) if heads else None

    def forward(
        self,
        x: Float[Tensor, "rows places width"],
        grid: tuple[int, ...],
        modulation: Float[Tensor, "rows #places each width"],
        context: Context | None,
    ) -> Float[Tensor, "rows places width"]:
        """Run both; `modulation` holds 4 rows for the convolutions and 6 for attention, of each row or place."""
        x = self.convolve(x, grid, modulation[..., :4, :])
        if self.attend is None or context is None:
            return x
        states, modulation = context.condition.shape[1], modulation[..., 4:, :]
        if modulation.shape[1] > 1:  # condition tokens see the mean of the places
            mean = modulation.mean(1, keepdim=True).expand(-1, states, -1, -1)
            modulation = torch.cat([mean, modulation], dim=1)
        both = torch.cat([context.condition.to(x.dtype), x], dim=1)
        return self.attend(both, modulation, context.rotation, context.mask)[:, states:]
