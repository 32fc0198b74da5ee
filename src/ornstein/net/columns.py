"""A network on the columns of a table: a token a column, joined by a deep perceptron over the whole row.

A row is short and its columns keep their places, so the tokens are laid side by side and mixed by full layers: at equal
time on a processor this learns several times as many rows as attention over columns (``docs/tables.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ornstein.config import Config
from ornstein.net.attention import EPSILON


class ColumnsConfig(Config):
    """Shape of the network: tokens of `token` channels, `depth` residual blocks of `width`; `dropout` within them."""

    kind: Literal["columns"] = "columns"
    token: int = Field(default=16, ge=1, le=1024)
    width: int = Field(default=384, ge=8, le=8192)
    depth: int = Field(default=3, ge=1, le=100)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @property
    def summary(self) -> str:
        """A phrase for people."""
        return f"a token a column and {self.depth} full blocks, width {self.width}"


class ColumnsNetwork(nn.Module):
    """Maps the fields ``numbers`` (B, N) and ``kinds`` (B, M) of a row to what a denoiser is told of each.

    Args:
        config: the shape.
        numbers: how many columns are numbers.
        categories: of each categorical column.
    """

    def __init__(self, config: ColumnsConfig, numbers: int, categories: tuple[int, ...]) -> None:
        super().__init__()
        self.config, self.numbers, self.categories = config, numbers, categories
        width, most = config.width, max(categories, default=1)
        self.numbers_in = NumberTokens(numbers, config.token) if numbers else None
        self.kinds_in = KindTokens(categories, config.token) if categories else None
        self.join = nn.Linear((numbers + len(categories)) * config.token, width)
        self.level = nn.Sequential(nn.Linear(3 * numbers, 64), nn.SiLU()) if numbers else None
        self.blocks = nn.ModuleList(RowBlock(width, config.dropout) for _ in range(config.depth))
        self.out = nn.Linear(width, numbers + sum(categories))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        place = torch.zeros(len(categories), most, dtype=torch.bool, device="cpu")
        for k, count in enumerate(categories):
            place[k, :count] = True
        self.register_buffer("place", place, persistent=False)
        self.place: Tensor

    def forward(
        self, z: Mapping[str, Tensor], logsnr: Mapping[str, Tensor], condition: Any = None
    ) -> dict[str, Tensor]:
        """As ``FieldsNetwork``: of ``numbers`` (B, N) their target, of ``kinds`` (B, M, K) logits, -inf for none."""
        tokens: list[Tensor] = []
        steer = None
        if self.numbers_in is not None and self.level is not None:
            levels = level_features(logsnr["numbers"], self.numbers)
            tokens.append(self.numbers_in(z["numbers"], levels))
            steer = self.level(levels.flatten(1))
        if self.kinds_in is not None:
            tokens.append(self.kinds_in(z["kinds"]))
        row = self.join(torch.cat(tokens, dim=1).flatten(1))
        for block in self.blocks:
            row = block(row, steer)
        output = self.out(F.rms_norm(row, row.shape[-1:], eps=EPSILON)).float()
        result: dict[str, Tensor] = {}
        if self.numbers:
            result["numbers"] = output[:, : self.numbers]
        if self.categories:
            logits = output.new_full((len(output), *self.place.shape), -torch.inf)
            logits[:, self.place] = output[:, self.numbers :]
            result["kinds"] = logits
        return result


class NumberTokens(nn.Module):
    """Of each numeric column: an affine map of its value, and of how noisy it is."""

    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.randn(columns, width) / 2)
        self.column = nn.Parameter(torch.randn(columns, width) / 2)
        self.level = nn.Linear(3, width, bias=False)

    def forward(
        self, z: Float[Tensor, "rows columns"], levels: Float[Tensor, "rows columns 3"]
    ) -> Float[Tensor, "rows columns width"]:
        return z.float()[..., None] * self.value + self.column + self.level(levels)


class KindTokens(nn.Module):
    """Of each categorical column: an embedding of its category, or of being hidden."""

    def __init__(self, categories: tuple[int, ...], width: int) -> None:
        super().__init__()
        sizes = torch.tensor([count + 1 for count in categories], device="cpu")
        self.table = nn.Parameter(torch.randn(int(sizes.sum()), width) / 2)
        self.register_buffer("hidden", sizes.cumsum(0) - 1, persistent=False)
        self.register_buffer("first", sizes.cumsum(0) - sizes, persistent=False)
        self.hidden: Tensor
        self.first: Tensor

    def forward(self, kinds: Int[Tensor, "rows columns"]) -> Float[Tensor, "rows columns width"]:
        return F.embedding(torch.where(kinds < 0, self.hidden, kinds + self.first), self.table)


class RowBlock(nn.Module):
    """Two full layers, modulated by how noisy the row is; the identity at first."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.modulation = nn.Linear(64, 3 * width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(
        self, row: Float[Tensor, "rows width"], steer: Float[Tensor, "rows 64"] | None
    ) -> Float[Tensor, "rows width"]:
        """The row after the block; `steer` says how noisy it is, None where no column is a number."""
        normal, gate = F.rms_norm(row, row.shape[-1:], eps=EPSILON), 0.0
        if steer is not None:
            shift, scale, gate = self.modulation(steer).chunk(3, dim=-1)
            normal = normal * (1 + scale) + shift
        return row + (1 + gate) * self.out(self.dropout(F.silu(self.into(normal))))


def level_features(logsnr: Tensor, columns: int) -> Float[Tensor, "rows columns 3"]:
    """How noisy each column is, in three bounded numbers; `logsnr` is (B,) or (B, columns)."""
    each = (logsnr if logsnr.ndim == 2 else logsnr[:, None].expand(-1, columns)).float()
    return torch.stack([torch.sigmoid(each / 2), torch.sigmoid(each - 4), each / 10], dim=-1)
