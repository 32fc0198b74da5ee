"""The copy a model samples with computes what the trained network computes, and the trained network is left alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ornstein.net import packed
from ornstein.net.blocks import Block, Stack
from ornstein.net.inference import InferenceBlock, InferenceStack, for_inference
from ornstein.net.packed import PackedLinear
from ornstein.net.patched import PatchedTransformer
from tests.common import normal
from tests.net.test_transformer import CLOSE, TOKENS, WIDTH, awaken, inputs, new_patched


def block() -> Block:
    torch.manual_seed(0)
    made = awaken(Block(WIDTH, 2))
    assert isinstance(made, Block)
    return made


def asked(net: nn.Module, *spatial: int, levels: Tensor | None = None) -> Tensor:
    given = inputs(len(spatial))
    z = normal(3, *spatial, 3).float()
    return net(z, given["logsnr"] if levels is None else levels, given["condition"], given["condition_mask"])


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("each", [1, TOKENS])  # modulation of a row, or of a token
def test_the_blocks_in_fewer_passes_are_the_blocks(masked, each):
    plain, x = Stack([block(), block()]), normal(3, TOKENS, WIDTH).float()
    modulation = normal(3, each, 6, WIDTH, seed=1).float()
    angles = normal(3, TOKENS, WIDTH // 4, seed=2).float()
    lengths = torch.tensor([7, 2, 5] if masked else [TOKENS] * 3)
    given = modulation, angles, (torch.arange(TOKENS) < lengths[:, None])[:, None, None]
    with torch.inference_mode():
        kept = x.clone()
        copied = for_inference(plain, torch.float32)
        assert isinstance(copied, InferenceStack)
        torch.testing.assert_close(copied(x, *given), plain(x, *given), **CLOSE)
        assert torch.equal(x, kept)


@pytest.mark.parametrize("spatial", [(8,), (4, 6), (4, 2, 4)])
@pytest.mark.parametrize("by_element", [True, False])
@torch.inference_mode()
def test_the_copy_is_the_network_in_any_number_of_axes(spatial, by_element):
    net = awaken(new_patched(len(spatial)))
    levels = normal(3, *spatial, seed=7).float() if by_element else None
    copied = for_inference(net, torch.float32)
    assert sum(isinstance(part, InferenceBlock) for part in copied.modules()) == 2
    torch.testing.assert_close(
        asked(copied, *spatial, levels=levels), asked(net, *spatial, levels=levels), **CLOSE
    )


@torch.inference_mode()
def test_in_bfloat16_it_is_as_near_to_float32_as_autocast_is():
    net = awaken(new_patched(2))
    exact = asked(net, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        autocast, copied = asked(net, 8, 8), asked(for_inference(net, torch.bfloat16), 8, 8)
    off, own = ((made.float() - exact).square().mean().sqrt() for made in (autocast, copied))
    assert 0 < own < 1.25 * off
    assert off < 0.05 * exact.square().mean().sqrt()


@torch.inference_mode()
def test_weights_cast_once_change_no_bit_where_no_block_is_replaced():
    """Casting before is what autocast does at every call, so a network of other parts keeps its numbers."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Flatten(), nn.LayerNorm(32), nn.Linear(32, 5))
    x = normal(2, 3, 4, 4).float()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(for_inference(net, torch.bfloat16)(x), net(x))


def test_the_network_itself_is_left_as_it_was():
    """Same tensors, same dtype, same gradients: training does not notice that it is sampled from."""
    net, other = awaken(new_patched(2)), awaken(new_patched(2))
    held = {name: (id(weight), weight.dtype, weight.clone()) for name, weight in net.named_parameters()}
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        asked(for_inference(net, torch.bfloat16), 4, 4)
    for each in (net, other):
        asked(each, 4, 4).square().mean().backward()
    assert net.training
    for (name, weight), twin in zip(net.named_parameters(), other.parameters(), strict=True):
        assert (id(weight), weight.dtype) == held[name][:2]
        assert torch.equal(weight, held[name][2])
        assert torch.equal(weight.grad, twin.grad)


def test_what_is_not_packed_is_shared():
    """Embeddings cost no memory a second time."""
    net = new_patched(2)
    own = {id(weight) for weight in net.parameters()}
    copied = for_inference(net, torch.float32)
    assert isinstance(net, PatchedTransformer)
    assert id(net.transformer.condition_kind) in own & {id(weight) for weight in copied.parameters()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("there", [True, False])  # whether this build packs
@torch.inference_mode()
def test_packed_products_are_the_layer_s(monkeypatch, dtype, there):
    if not there:
        monkeypatch.setattr(packed, "packs", lambda dtype: False)
    layer = nn.Linear(48, 96)
    made = PackedLinear(layer.weight, layer.bias, dtype)
    assert made.packed == there
    x, other = normal(3, 7, 48).float(), normal(3, 7, 96, seed=1).to(dtype)
    exact = layer(x)
    close = CLOSE if dtype == torch.float32 else {"rtol": 1e-2, "atol": 3e-2}
    for found, wanted in (
        (made(x), exact),
        (made(x.transpose(0, 1)), exact.transpose(0, 1)),  # however it lies in memory
        (made.silu(x), F.silu(exact)),
        (made.times(x, other), exact * other),
    ):
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), wanted.float(), **close)


def test_a_model_that_has_generated_can_be_copied():
    net = new_patched(2)
    held = [net, for_inference(net, torch.bfloat16)]
    with torch.inference_mode():
        torch.testing.assert_close(asked(copy.deepcopy(held)[1], 4, 4), asked(held[1], 4, 4))


@torch.inference_mode()
def test_packed_products_are_counted():
    made = PackedLinear(torch.ones(96, 48), None, torch.float32)
    with FlopCounterMode(display=False) as counter:
        made.times(torch.ones(5, 48), made(torch.ones(5, 48)))
    assert counter.get_total_flops() == 2 * 2 * 5 * 48 * 96
