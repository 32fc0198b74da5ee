"""From a recipe to its parts: the network with its weights, the encoder of its conditions, the dtype it runs in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ornstein.bundle import Bundle
from ornstein.condition.classes import ClassEncoder
from ornstein.condition.text import TextEncoder
from ornstein.condition.tokens import TokenEmbedder, Tokens
from ornstein.errors import OrnsteinError
from ornstein.net.inference import for_inference
from ornstein.recipes.recipe import Recipe, TextCondition


class ConditionedNetwork(nn.Module):
    """The trained part of a model: condition embedder and backbone.

    Args:
        recipe: gives the shapes.
        states_width: width of the condition encoder's states.
    """

    def __init__(self, recipe: Recipe, states_width: int) -> None:
        super().__init__()
        self.embedder = TokenEmbedder(states_width, recipe.network.width)
        self.backbone = recipe.network.build(recipe.codec.channels)

    def forward(self, z: Tensor, logsnr: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Map (B, *spatial, C) at logsnr (B,) with condition states (B, M, W) and mask (B, M) to the target."""
        return self.backbone(z, logsnr, *self.embedder(states, mask))


@dataclass(frozen=True)
class AutocastNetwork:
    """Calls a ``ConditionedNetwork`` on ``Tokens``, in bfloat16 products where asked."""

    network: Callable[..., Tensor]
    dtype: torch.dtype

    def __call__(self, z: Tensor, logsnr: Tensor, condition: Tokens) -> Tensor:
        """As ``precondition.Network``."""
        with torch.autocast(z.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.network(z.float(), logsnr.float(), *condition.tensors)


@dataclass(frozen=True)
class CountingNetwork:
    """Tells how many rows each evaluation of a ``precondition.Network`` has."""

    network: Callable[..., Tensor]
    tell: Callable[[int], None]

    def __call__(self, z: Tensor, logsnr: Tensor, condition: Any) -> Tensor:
        """As ``precondition.Network``."""
        self.tell(len(z))
        return self.network(z, logsnr, condition)


class InferenceCopies:
    """The last copy of a network for each dtype, made again when another network is meant or its weights change."""

    def __init__(self) -> None:
        self._made: dict[torch.dtype, tuple[list[tuple[Tensor, int]], nn.Module]] = {}

    def of(self, network: nn.Module, dtype: torch.dtype) -> nn.Module:
        """As ``net.inference.for_inference``."""
        weights: list[tuple[Tensor, int]] = [
            (weight, 0 if weight.is_inference() else weight._version) for weight in network.parameters()
        ]
        known = self._made.get(dtype)
        if known is None or not _same(known[0], weights):
            self._made[dtype] = known = weights, for_inference(network, dtype)
        return known[1]


def _same(some: list[tuple[Tensor, int]], others: list[tuple[Tensor, int]]) -> bool:
    """Whether these are the same tensors, unchanged."""
    return len(some) == len(others) and all(
        a is b and v == w for (a, v), (b, w) in zip(some, others, strict=True)
    )


def condition_encoder(recipe: Recipe, folder: str | Path | None = None) -> TextEncoder | ClassEncoder:
    """The encoder a recipe's conditions need; `folder` holds the text encoder if it lies in no usual place."""
    if isinstance(recipe.condition, TextCondition):
        return TextEncoder.find(folder, recipe.condition.length)
    return ClassEncoder(recipe.condition.names)


def fast_dtype(device: torch.device | str = "cpu") -> torch.dtype:
    """bfloat16 where the machine multiplies it faster than float32, else float32."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


N = TypeVar("N", bound=nn.Module)


def network_of(bundle: Bundle, tensors: dict[str, Tensor], build: Callable[[], N]) -> N:
    """The network that `build` makes, with the weights of a bundle put in place; a recipe they do not fit is refused
    before it costs memory.

    Raises:
        OrnsteinError: a network that cannot be built, or weights that are not exactly its own.
    """
    try:
        with torch.device("meta"):  # shapes only, and nothing is drawn that would be overwritten
            network = build()
    except Exception as error:  # whatever a network raises for a shape it cannot have
        raise OrnsteinError(f"{bundle.folder} names a network that cannot be built: {error}") from error
    expected = network.state_dict()
    if missing := sorted(expected.keys() - tensors.keys()):
        raise OrnsteinError(f"{bundle.folder} lacks the weight {missing[0]} ({len(missing)} missing)")
    if extra := sorted(tensors.keys() - expected.keys()):
        raise OrnsteinError(f"{bundle.folder} holds the unknown weight {extra[0]} ({len(extra)} unknown)")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            shapes = f"{tuple(tensor.shape)}, not {tuple(expected[name].shape)}"
            raise OrnsteinError(f"{bundle.folder}: the weight {name} has the shape {shapes}")
    network.load_state_dict(tensors, assign=True)
    assert not any(buffer.is_meta for buffer in network.buffers()), (
        "constants must be made on the CPU by name"
    )
    return network
