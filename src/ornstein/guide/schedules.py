r"""Schedules of guidance: how strong it is at each time.

A scale $w$ is 1 where it is off, so what a schedule moves is the rest: $w(t)=1+(w-1)\,g(t)$, with $t$ in the path's own
clock, 1 at noise. Wang et al. 2024 (arXiv 2404.13040) find that guidance that grows toward the data does better than
the same amount of it spread evenly; the shapes below are theirs, and each but the last has the mean 1.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from pydantic import BeforeValidator, Field
from torch import Tensor

from ornstein.config import Config, from_text


@runtime_checkable
class Schedule(Protocol):
    """``share(t)``: the factor $g(t)$ on what guidance adds, shaped like `t`; 0 is off, 1 the scale itself."""

    def share(self, t: Float[Tensor, "*time"]) -> Float[Tensor, "*time"]: ...


class Constant(Config):
    """The scale itself, always."""

    kind: Literal["constant"] = "constant"

    def share(self, t: Float[Tensor, "*time"]) -> Float[Tensor, "*time"]:
        return torch.ones_like(t)


constant = Constant()


class Linear(Config):
    """$g=2(1-t)$: none at pure noise, twice as much at the data."""

    kind: Literal["linear"] = "linear"

    def share(self, t: Float[Tensor, "*time"]) -> Float[Tensor, "*time"]:
        return 2 * (1 - t)


class Cosine(Config):
    r"""$g=1+\cos\pi t$: as linear, and flat at both ends."""

    kind: Literal["cosine"] = "cosine"

    def share(self, t: Float[Tensor, "*time"]) -> Float[Tensor, "*time"]:
        return 1 + torch.cos(math.pi * t)


class PowerCosine(Config):
    r"""$g=\tfrac12\bigl(1-\cos\pi(1-t)^p\bigr)$: from 0 at noise to 1 at the data (Gao et al. 2023, arXiv 2303.14389).

    Attributes:
        power: the larger, the later guidance sets in.
    """

    kind: Literal["power-cosine"] = "power-cosine"
    power: float = Field(default=1.0, gt=0, le=100)

    def share(self, t: Float[Tensor, "*time"]) -> Float[Tensor, "*time"]:
        return (1 - torch.cos(math.pi * (1 - t) ** self.power)) / 2


ScheduleSetting = Annotated[
    Annotated[Constant | Linear | Cosine | PowerCosine, Field(discriminator="kind")],
    BeforeValidator(from_text),
]
"""A schedule by its values, or as text: ``linear``, ``power-cosine:power=4``."""
