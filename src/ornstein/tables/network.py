"""What is trained of a table's model, and how a denoiser is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from ornstein.denoise.posterior import Denoiser, Posterior
from ornstein.net.columns import ColumnsNetwork
from ornstein.process.clocks import Warped, Warper
from ornstein.process.gaussian import Path
from ornstein.process.masked import IMPOSSIBLE
from ornstein.recipes.table import TableProcess, TableRecipe

LEARNED_KNOTS = 33


class ClockedNetwork(nn.Module):
    """The trained part of a table's model: the network, and what is learned of each column's clock.

    Args:
        recipe: gives the shapes.
    """

    def __init__(self, recipe: TableRecipe) -> None:
        super().__init__()
        codec = recipe.codec
        sizes = tuple(column.categories for column in codec.kinds)
        self.columns = ColumnsNetwork(recipe.network, len(codec.numbers), sizes)
        for name, count in self.fields.items():
            self.register_buffer(f"{name}_warp", torch.linspace(0, 1, LEARNED_KNOTS).repeat(count, 1))
            for part, tensor in Warper.fresh(count).state().items():
                self.register_buffer(f"{name}_{part}", tensor)

    @property
    def fields(self) -> dict[str, int]:
        """How many columns each field has; one without any is left out."""
        counts = {"numbers": self.columns.numbers, "kinds": len(self.columns.categories)}
        return {name: count for name, count in counts.items() if count}

    def warper(self, field: str) -> Warper:
        """What was seen of a field's errors; the tensors are the buffers themselves."""
        return Warper(getattr(self, f"{field}_sums"), getattr(self, f"{field}_counts"))

    def relearn(self) -> None:
        """Set the clocks anew by the errors seen."""
        for name in self.fields:
            warp = getattr(self, f"{name}_warp")
            warp.copy_(self.warper(name).warp(LEARNED_KNOTS).to(warp))

    def forward(self, z: Mapping[str, Tensor], logsnr: Mapping[str, Tensor], condition: Any = None) -> Any:
        """As ``FieldsNetwork``."""
        return self.columns(z, logsnr, condition)

    def paths(self, process: TableProcess) -> dict[str, Path]:
        """How each field is destroyed, every column in its own clock where those are learned."""
        plain = {"numbers": process.numbers, "kinds": process.kinds}
        if process.clocks == "shared":
            return {name: plain[name] for name in self.fields}
        return {name: Warped(plain[name], getattr(self, f"{name}_warp")) for name in self.fields}


@dataclass(frozen=True)
class Forbidding:
    """A denoiser that gives some categories no chance."""

    denoiser: Denoiser
    forbidden: Bool[Tensor, "columns categories"]

    def __call__(self, x_t: Any, t: Any, condition: Any) -> Posterior:
        """As the denoiser."""
        mean: Any = self.denoiser(x_t, t, condition).mean
        return Posterior(
            {n: m.masked_fill(self.forbidden, IMPOSSIBLE) if n == "kinds" else m for n, m in mean.items()}
        )
