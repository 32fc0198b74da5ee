"""The diffusion transformer: one stream over condition and data tokens, any number of axes."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from ornstein.config import Config
from ornstein.net.attention import rotary_angles
from ornstein.net.blocks import Block, LevelEmbedding, PlaceEmbedding, Stack, masked_mean, modulate
from ornstein.net.cache import Cache


class TransformerConfig(Config):
    """Shape of a transformer: `width` channels in `heads` heads, `depth` blocks, coordinates of `axes` axes."""

    width: int = Field(default=384, ge=2, le=65_536)
    depth: int = Field(default=6, ge=1, le=1000)
    heads: int = Field(default=6, ge=1, le=1024)
    axes: int = Field(default=2, ge=1, le=3)


class Transformer(nn.Module):
    """Maps data tokens to data tokens, given their coordinates, a noise level and condition tokens.

    Condition and data tokens pass as one sequence through the same blocks (DiT-Air, arXiv 2503.10618). Data tokens
    are placed by absolute and rotary coordinates, so permuting them with their coordinates permutes the output;
    condition tokens stand at the origin, told apart by a learned offset, and their mean also steers the norms.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.width
        self.config = config
        self.head_width = width // config.heads
        self.level = LevelEmbedding(width)
        self.place = PlaceEmbedding(config.axes, width)
        self.pooled = nn.Linear(width, width, bias=False)
        self.condition_kind = nn.Parameter(torch.zeros(width))
        self.modulation = nn.Linear(width, 8 * width)
        self.blocks = Stack(Block(width, config.heads) for _ in range(config.depth))
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(
        self,
        tokens: Float[Tensor, "rows tokens width"],
        coordinates: Float[Tensor, "#rows tokens axes"],
        logsnr: Float[Tensor, " rows"] | Float[Tensor, "rows tokens"],
        condition: Float[Tensor, "rows states width"],
        condition_mask: Bool[Tensor, "rows states"],
        token_mask: Bool[Tensor, "rows tokens"] | None = None,
        sight: Bool[Tensor, "rows tokens all"] | None = None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "rows tokens width"]:
        """Run the blocks.

        Args:
            tokens: (B, L, width) data tokens.
            coordinates: (B, L, axes), about [-1, 1]; or (1, L, axes) where all rows have the same.
            logsnr: (B,), or (B, L) where tokens stand at different noise levels; finite.
            condition: (B, M, width) condition tokens.
            condition_mask: (B, M) bool, True for real tokens.
            token_mask: (B, L) bool for sets of different sizes; None when every token is real.
            sight: (B, L, L) bool, True where the token of a row may see that of a column; None where all see all.
                Without condition tokens only. With a cache the columns are what it holds, then these tokens.
            cache: of tokens that were shown before.

        Returns:
            (B, L, width) normalised data tokens. Padding never changes the others.
        """
        length, extra = tokens.shape[1], condition.shape[1]
        steer = self.level(logsnr if logsnr.ndim == 2 else logsnr[:, None])
        steer = steer + self.pooled(masked_mean(condition, condition_mask))[:, None]
        modulation = self._modulation(steer, extra, token_mask)
        angles = nn.functional.pad(rotary_angles(coordinates, self.head_width), (0, 0, 0, extra))
        mask = self._mask(condition_mask, token_mask, length) if sight is None else sight[:, None]
        x = torch.cat([tokens + self.place(coordinates), condition + self.condition_kind], dim=1)
        x = self.blocks(x, modulation[..., :6, :], angles, mask, cache)
        shift, scale = (
            modulation[:, :length, 6:].unbind(-2) if logsnr.ndim == 2 else modulation[..., 6:, :].unbind(-2)
        )
        return modulate(x[:, :length], shift, scale)

    def _modulation(
        self,
        steer: Float[Tensor, "rows #tokens width"],
        extra: int,
        token_mask: Bool[Tensor, "rows tokens"] | None,
    ) -> Float[Tensor, "rows each 8 width"]:
        """One of each row, or of each token where they differ; condition tokens then see the mean of real tokens."""
        raw = self.modulation(nn.functional.silu(steer)).float().unflatten(-1, (8, -1))
        if steer.shape[1] == 1:
            return raw
        mean = (
            raw.mean(1) if token_mask is None else masked_mean(raw.flatten(2), token_mask).view_as(raw[:, 0])
        )
        return torch.cat([raw, mean[:, None].expand(-1, extra, -1, -1)], dim=1)

    @staticmethod
    def _mask(
        condition_mask: Bool[Tensor, "rows states"],
        token_mask: Bool[Tensor, "rows tokens"] | None,
        length: int,
    ) -> Bool[Tensor, "rows 1 1 all"]:
        if token_mask is None:
            token_mask = condition_mask.new_ones(condition_mask.shape[0], length)
        return torch.cat([token_mask, condition_mask], dim=1)[:, None, None]
