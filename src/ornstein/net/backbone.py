"""The networks a recipe can name, and what training one costs.

Each kind is a ``Config`` that says the ``axes`` of its samples, of what their sides must be a ``multiple``, the
``width`` of the condition tokens it takes, a ``summary`` for people, and ``build(channels)``: a module called with
z (B, *spatial, C), logsnr (B,), condition tokens (B, M, width) and their mask (B, M), which returns z's shape.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeAlias, cast

import torch
from pydantic import Discriminator, Tag
from torch.utils.flop_counter import FlopCounterMode

from ornstein.net.patched import PatchedConfig
from ornstein.net.unet import UNetConfig


def _kind(value: Any) -> str:
    """Recipes from when there was one kind do not name it."""
    if isinstance(value, dict):
        return str(value.get("kind", "transformer"))
    return str(getattr(value, "kind", ""))


BackboneConfig: TypeAlias = Annotated[
    Annotated[PatchedConfig, Tag("transformer")] | Annotated[UNetConfig, Tag("unet")], Discriminator(_kind)
]


def training_flops(config: BackboneConfig, shape: tuple[int, ...], states: int) -> float:
    """Products of training on one sample, as torch counts them: three times those of a forward pass.

    Args:
        config: of the network.
        shape: of the sample, (*spatial, channels).
        states: condition tokens.
    """
    return 3.0 * _forward_flops(cast(Any, config), shape, states)


@cache
def _forward_flops(config: PatchedConfig | UNetConfig, shape: tuple[int, ...], states: int) -> int:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:  # shapes only, nothing is computed
        network = config.build(shape[-1]).to("meta")
        condition = torch.zeros(1, states, config.width), torch.ones(1, states, dtype=torch.bool)
        network(torch.zeros(1, *shape), torch.zeros(1), *condition)
    return counter.get_total_flops()
