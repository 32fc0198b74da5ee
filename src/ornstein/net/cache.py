"""Keys and values of tokens that no longer change: what follows attends to them without computing them again."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


class Cache:
    """What every layer of a network remembers of tokens that were shown to it.

    Attributes:
        keep: how many tokens of the next pass, from its first, are remembered; all are attended to in that pass.
        layers: keys and values (B, heads, L, width) by layer.
    """

    def __init__(self) -> None:
        self.keep = 0
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def length(self) -> int:
        """Tokens remembered."""
        return self.layers[0][0].shape[2] if self.layers else 0

    def join(
        self,
        layer: int,
        key: Float[Tensor, "rows heads tokens width"],
        value: Float[Tensor, "rows heads tokens width"],
    ) -> tuple[Float[Tensor, "rows heads all width"], Float[Tensor, "rows heads all width"]]:
        """Keys and values of what is remembered, then of these tokens."""
        kept = self.keep
        if layer in self.layers:
            old_key, old_value = self.layers[layer]
            kept += old_key.shape[2]
            key, value = torch.cat([old_key, key], dim=2), torch.cat([old_value, value], dim=2)
        if self.keep:
            self.layers[layer] = key[:, :, :kept], value[:, :, :kept]
        return key, value
