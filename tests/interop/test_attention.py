"""Attention in slices is attention, and leaves alone what it is not for."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ornstein.interop import attention
from ornstein.interop.attention import SlicedAttention


def heads(tokens: int = 300) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, tokens, 24, generator=generator).bfloat16() for _ in range(3)]


@pytest.mark.parametrize("scale", [None, 0.1])
def test_it_is_attention_to_a_bfloat16_rounding(scale: float | None) -> None:
    """Weights are rounded too, which the fused kernel spares: a root mean square error of about 2^-8."""
    exact = F.scaled_dot_product_attention(*(part.double() for part in heads()), scale=scale)
    with SlicedAttention():
        found = F.scaled_dot_product_attention(*heads(), scale=scale)
    assert found.dtype == torch.bfloat16
    assert (found.double() - exact).square().mean().sqrt() < 2**-7 * exact.square().mean().sqrt()


def test_masks_short_sequences_and_float32_are_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "sliced", lambda *_: pytest.fail("not for this"))
    mask = torch.ones(300, 300, dtype=torch.bool)
    with SlicedAttention():
        F.scaled_dot_product_attention(*heads(), attn_mask=mask)
        F.scaled_dot_product_attention(*heads(), is_causal=True)
        F.scaled_dot_product_attention(*heads(64))
        F.scaled_dot_product_attention(*(part.float() for part in heads()))
