"""The transformer inside all-MiniLM-L6-v2, as far as token states need it: a BERT encoder of six layers.

Written out here because importing the library that has it takes longer than making a picture. The tests hold it equal
to that library's, state for state.
"""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

DEPTH, HEADS = 6, 12
EPSILON = 1e-12  # of the layer norms, as in BERT


class MiniLM:
    """Maps token numbers to states (Devlin et al. 2019, arXiv 1810.04805; Wang et al. 2020, arXiv 2002.10957).

    Args:
        weights: the published file; its pages are read as they are needed.
    """

    def __init__(self, weights: Path) -> None:
        from safetensors.torch import load_file

        self._tensors = load_file(weights)

    def __call__(
        self, ids: Int[Tensor, "rows tokens"], mask: Bool[Tensor, "rows tokens"]
    ) -> Float[Tensor, "rows tokens width"]:
        """States of every token; those of padding (mask False) mean nothing and reach no other token."""
        kinds, places = self._table("token_type"), self._table("position")
        x = F.embedding(ids, self._table("word")) + kinds[0] + places[: ids.shape[1]]
        x = self._norm("embeddings", x)
        for layer in range(DEPTH):
            x = self._layer(f"encoder.layer.{layer}", x, mask[:, None, None])
        return x

    def _layer(self, name: str, x: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (
            self._linear(f"{name}.attention.self.{part}", x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(-2)
        x = self._norm(f"{name}.attention.output", self._linear(f"{name}.attention.output.dense", mixed) + x)
        hidden = F.gelu(self._linear(f"{name}.intermediate.dense", x))
        return self._norm(f"{name}.output", self._linear(f"{name}.output.dense", hidden) + x)

    def _table(self, name: str) -> Tensor:
        return self._tensors[f"embeddings.{name}_embeddings.weight"]

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self._tensors[f"{name}.LayerNorm.weight"], self._tensors[f"{name}.LayerNorm.bias"]
        return F.layer_norm(x, weight.shape, weight, bias, EPSILON)
