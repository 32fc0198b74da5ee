"""Attention of long bfloat16 sequences on a processor: plain matrix products in slices outrun the fused kernel.

On AVX-512 the fused kernel computes head by head in small tiles; a slice of queries against all keys is one large
product, and its weights still fit in the cache. Whatever network is inside calls PyTorch's own function; this mode
answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

SLICE = 64  # queries: of 8 heads and 4096 keys, 4 MB of weights
LONG = 256  # keys and queries from which it repays


class SlicedAttention(TorchFunctionMode):
    """While entered, suitable calls of ``scaled_dot_product_attention`` are computed in slices of queries."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and len(args) == 3 and _suits(*args, **kwargs):
            return sliced(args[0], args[1], args[2], kwargs.get("scale"))
        return func(*args, **kwargs)


def _suits(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> bool:
    """Whether a call, with the arguments of PyTorch's function, is plain and of the kind that slices are faster for."""
    plain = attn_mask is None and dropout_p == 0 and not is_causal and not enable_gqa
    short = min(query.shape[-2], key.shape[-2]) < LONG
    return plain and not short and query.device.type == "cpu" and query.dtype == torch.bfloat16


def sliced(query: Tensor, key: Tensor, value: Tensor, scale: float | None = None) -> Tensor:
    """Softmax attention of (..., queries, width), as PyTorch defines it."""
    keys = (key * (query.shape[-1] ** -0.5 if scale is None else scale)).transpose(-1, -2).contiguous()
    values = value.contiguous()
    parts = [
        torch.matmul(torch.softmax(torch.matmul(part, keys), -1), values) for part in query.split(SLICE, -2)
    ]
    return torch.cat(parts, -2)
