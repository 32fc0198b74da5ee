"""Linear layers for inference on a processor: weights once in the order in which oneDNN multiplies them.

PyTorch's own layer reorders its weights at every call, and in float32 it multiplies by MKL, which on other makers'
processors is slow (``benchmarks/sampling.py`` times both on the shapes of a model).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import register_flop_formula


def packs(dtype: torch.dtype) -> bool:
    """Whether this build of PyTorch and this processor multiply packed weights of `dtype`."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return dtype == torch.float32 or (
        dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


class PackedLinear(nn.Module):
    """What a ``nn.Linear`` on the CPU computes under autocast to `dtype`, without gradients.

    Args:
        weight: (outputs, inputs). bias: (outputs,) or None.
        dtype: of the product and of the result; its sums are in float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.in_features, self.out_features, self.dtype = weight.shape[1], weight.shape[0], dtype
        self.packed = packs(dtype)
        cast = weight.detach().to(dtype).contiguous()
        held = torch.ops.mkldnn._reorder_linear_weight(cast) if self.packed else cast
        self.register_buffer("weight", held)  # opaque where it is packed
        self.register_buffer("bias", None if bias is None else bias.detach().to(dtype))
        self.weight: Tensor
        self.bias: Tensor | None

    def forward(self, x: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows outputs"]:
        """The product, in `dtype`."""
        return self._product(x, "none")

    def silu(self, x: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows outputs"]:
        """SiLU of the product, before it is rounded to `dtype`."""
        return self._product(x, "swish") if self.packed else F.silu(self(x))

    def times(
        self, x: Float[Tensor, "*rows inputs"], other: Float[Tensor, "*rows outputs"]
    ) -> Float[Tensor, "*rows outputs"]:
        """The product times `other`, which is in `dtype`."""
        if not self.packed:
            return self(x).mul_(other)
        return torch.ops.mkldnn._linear_pointwise.binary(
            x.to(self.dtype), other, self.weight, self.bias, "mul"
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> PackedLinear:
        """Itself: it never changes, and packed weights cannot be read."""
        return self

    def _product(self, x: Tensor, follow: str) -> Tensor:
        x = x.to(self.dtype)
        if not self.packed:
            return F.linear(x, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, follow, [], "")


def pack(module: nn.Module, dtype: torch.dtype) -> None:
    """Put a ``PackedLinear`` in the place of every linear layer inside `module`; their own weights are let go."""
    for name, child in module.named_children():
        if type(child) is nn.Linear:  # what is made of it may do more
            setattr(module, name, PackedLinear(child.weight, child.bias, dtype))
        else:
            pack(child, dtype)


if hasattr(torch.ops.mkldnn, "_linear_pointwise"):

    @register_flop_formula(torch.ops.mkldnn._linear_pointwise)
    def _operations(x: tuple[int, ...], *others: Any, out_shape: tuple[int, ...], **named: Any) -> int:
        """For PyTorch's counter, which does not know these products; it gives shapes."""
        return 2 * math.prod(out_shape) * x[-1]
