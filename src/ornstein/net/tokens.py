"""From a grid of numbers to tokens with coordinates and back, in one, two or three dimensions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def patchify(x: Float[Tensor, "rows *spatial channels"], patch: int) -> Float[Tensor, "rows tokens numbers"]:
    """Cut (B, *spatial, C) into (B, L, patch**n * C) tokens, row-major over the grid of patches.

    Raises:
        ValueError: if a spatial side is not a multiple of `patch`.
    """
    batch, *spatial, channels = x.shape
    if any(side % patch for side in spatial):
        raise ValueError(f"size {tuple(spatial)} is not a multiple of the patch size {patch}")
    n = len(spatial)
    split = [size for side in spatial for size in (side // patch, patch)]
    outer, inner = range(1, 2 * n, 2), range(2, 2 * n + 1, 2)
    return (
        x.reshape(batch, *split, channels)
        .permute(0, *outer, *inner, 2 * n + 1)
        .reshape(batch, -1, patch**n * channels)
    )


def unpatchify(
    tokens: Float[Tensor, "rows tokens numbers"], patch: int, spatial: tuple[int, ...]
) -> Float[Tensor, "rows *spatial channels"]:
    """The inverse of ``patchify``: (B, L, patch**n * C) to (B, *spatial, C)."""
    batch, n = tokens.shape[0], len(spatial)
    grid = [side // patch for side in spatial]
    x = tokens.reshape(batch, *grid, *(patch,) * n, -1)
    order = [axis for k in range(n) for axis in (1 + k, 1 + n + k)]
    return x.permute(0, *order, 2 * n + 1).reshape(batch, *spatial, -1)


def grid_coordinates(
    spatial: tuple[int, ...], patch: int, device: torch.device | None = None
) -> Float[Tensor, "tokens axes"]:
    """(L, n) centres of the patches; the longest side spans [-1, 1], so a place keeps its number at any resolution."""
    longest = max(spatial)
    axes = [
        (2 * (torch.arange(side // patch, device=device).float() + 0.5) * patch - side) / longest
        for side in spatial
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(spatial))


def patch_means(
    levels: Float[Tensor, "rows *prefix"], patch: int, spatial: tuple[int, ...]
) -> Float[Tensor, "rows *tokens"]:
    """Average per-element values (B, or a prefix of (B, *spatial)) over each patch: (B,) stays, else (B, L)."""
    if levels.ndim == 1:
        return levels
    missing = len(spatial) + 1 - levels.ndim
    full = levels.reshape(*levels.shape, *(1,) * missing).expand(levels.shape[0], *spatial)
    return patchify(full[..., None], patch).mean(-1)
