"""Laws of the U-Net: padding is nothing, rows are alone, new blocks are the identity, any size, any number of axes."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ornstein.config import parse
from ornstein.errors import UsageError
from ornstein.net.backbone import training_flops
from ornstein.net.convolution import Convolution, Residual
from ornstein.net.unet import Level, UNet, UNetConfig
from tests.common import normal

STATES, WIDTH = 4, 32
M = TypeVar("M", bound=nn.Module)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
SPATIAL = {1: (8,), 2: (4, 8), 3: (4, 2, 4)}
each_axes = pytest.mark.parametrize("axes", [1, 2, 3])


def new_unet(axes: int = 2, levels: int = 2) -> UNet:
    torch.manual_seed(0)
    coarse = (Level(width=24, blocks=1, heads=0), Level(width=WIDTH, blocks=2, heads=2))
    return UNetConfig(levels=(Level(width=16, blocks=1), *coarse)[3 - levels :], axes=axes).build(3)


def awaken(net: M) -> M:
    """Move weights away from zero, so that every part has a say."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return net.eval()


def inputs(axes: int = 2) -> dict[str, Any]:
    return {
        "z": normal(3, *SPATIAL[axes], 3).float(),
        "logsnr": torch.tensor([-6.0, 0.0, 12.0]),
        "condition": normal(3, STATES, WIDTH, seed=2).float(),
        "condition_mask": torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]]).bool(),
    }


@each_axes
def test_padding_of_the_condition_changes_nothing(axes):
    net, given = awaken(new_unet(axes)), inputs(axes)
    longer = given | {
        "condition": torch.cat([given["condition"], 30 * normal(3, 5, WIDTH, seed=5).float()], 1),
        "condition_mask": torch.cat([given["condition_mask"], torch.zeros(3, 5).bool()], 1),
    }
    torch.testing.assert_close(net(**longer), net(**given), **CLOSE)


def test_every_condition_token_is_heard():
    net, given = awaken(new_unet()), inputs()
    for token in range(STATES):
        other = given["condition"].clone()
        other[0, token] += 1
        changed = (net(**given | {"condition": other}) - net(**given)).abs().amax((1, 2, 3))
        assert changed[0] > 1e-3 and not changed[1:].any()


@each_axes
def test_a_row_alone_is_the_row_in_a_batch(axes):
    net, given = awaken(new_unet(axes)), inputs(axes)
    together = net(**given)
    for row in range(3):
        alone = net(**{name: value[row : row + 1] for name, value in given.items()})
        torch.testing.assert_close(alone[0], together[row], **CLOSE)


@each_axes
def test_one_level_for_all_elements_is_the_level_of_the_row(axes):
    net, given = awaken(new_unet(axes)), inputs(axes)
    spread = given["logsnr"].reshape(3, *(1,) * axes).expand(3, *SPATIAL[axes])
    torch.testing.assert_close(net(**given | {"logsnr": spread}), net(**given), **CLOSE)


def test_elements_at_different_levels_are_told_apart():
    net, given = awaken(new_unet()), inputs()
    lower = given["logsnr"].reshape(3, 1, 1).repeat(1, 4, 8)
    lower[:, :, 4:] -= 4
    assert not torch.allclose(net(**given | {"logsnr": lower}), net(**given), atol=1e-3)


@each_axes
def test_new_blocks_are_the_identity_and_a_new_network_returns_zero(axes):
    net, given = new_unet(axes), inputs(axes)
    assert torch.equal(net(**given), torch.zeros_like(given["z"]))
    grid, stage = SPATIAL[axes], net.bottom
    x, steer = normal(3, 8 if axes == 1 else 32, WIDTH).float(), normal(3, 1, WIDTH).float()
    assert torch.equal(stage(x, grid, steer, given["condition"], given["condition_mask"]), x)


@each_axes
def test_every_weight_learns(axes):
    """Zero-initialised layers hold some gradients back at first; a few steps wake all of them."""
    net, given = new_unet(axes), inputs(axes)
    target = normal(3, *SPATIAL[axes], 3, seed=7).float()
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(4):
        optimiser.zero_grad()
        loss = (net(**given) - target).square().mean()
        loss.backward()
        losses.append(loss.item())
        optimiser.step()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []
    assert losses[-1] < losses[0]


def test_far_from_the_border_it_moves_with_its_input():
    """Without attention no place knows where it is: a shift by whole places of the coarsest grid shifts the output."""
    net, given = awaken(new_unet()), inputs()
    for block in cast(nn.ModuleList, net.bottom.blocks):
        block.attend = None
    base = torch.zeros(3, 64, 64, 3)
    base[:, 30:34, 30:34] = given["z"][:, :, :4]
    moved = base.roll((4, -6), (1, 2))
    here = net(**given | {"z": base})[:, 24:40, 24:40]
    there = net(**given | {"z": moved})[:, 28:44, 18:34]
    torch.testing.assert_close(there, here, **CLOSE)


@pytest.mark.parametrize("spatial", [(4, 4), (12, 4), (28, 20)])
def test_any_multiple_of_the_coarsest_place_is_a_size(spatial):
    net, given = awaken(new_unet(levels=3)), inputs()
    z = normal(3, *spatial, 3).float()
    output = net(**given | {"z": z})
    assert output.isfinite().all() and output.std() > 0


def test_other_sizes_are_refused_by_name():
    with pytest.raises(
        ValueError, match=r"size \(4, 7\) is not a multiple of 2, as a U-Net of 2 levels, 24, 32"
    ):
        new_unet()(**inputs() | {"z": normal(3, 4, 7, 3).float()})


@each_axes
def test_a_convolution_is_torchs(axes):
    torch.manual_seed(0)
    ours, spatial = awaken(Convolution(axes, 5, 7)), SPATIAL[axes]
    theirs = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](5, 7, 3, padding=1)
    kernel = ours.weight.reshape(7, 3**axes, 5)  # neighbours row-major, channels innermost
    with torch.no_grad():
        theirs.weight.copy_(kernel.transpose(1, 2).reshape(theirs.weight.shape))
        theirs.bias.copy_(ours.bias)
    x = normal(2, *spatial, 5).float()
    expected = theirs(x.movedim(-1, 1)).movedim(1, -1)
    torch.testing.assert_close(ours(x.flatten(1, -2), spatial).view_as(expected), expected, **CLOSE)


def test_a_residual_block_is_that_of_its_equation():
    torch.manual_seed(0)
    block, x = awaken(Residual(2, 8)), normal(2, 12, 8).float()
    modulation = normal(2, 1, 4, 8, seed=3).float()
    shift, scale, shift_again, scale_again = (modulation + block.offsets).unbind(-2)
    normed = x / x.square().mean(-1, keepdim=True).sqrt() * (1 + scale) + shift
    hidden = block.into(F.silu(normed), (3, 4))
    normed = hidden / hidden.square().mean(-1, keepdim=True).sqrt() * (1 + scale_again) + shift_again
    torch.testing.assert_close(block(x, (3, 4), modulation), x + block.out(F.silu(normed), (3, 4)), **CLOSE)


def test_its_cost_is_that_of_each_weight_at_every_place_it_works_at():
    """Forward: two operations a weight and place, and two products of all pairs in attention; backward twice that."""
    net, given, counted = new_unet(levels=3), inputs(), []

    def count(module, _, output):
        counted.append(2 * module.weight.numel() * (output.numel() // module.weight.shape[0]))

    for module in net.modules():
        if isinstance(module, nn.Linear | Convolution):
            module.register_forward_hook(count)
    net(**{name: value[:1] for name, value in given.items()})
    pairs = (1 * 2 + STATES) ** 2
    attention = 2 * 2 * 2 * pairs * WIDTH  # blocks, products, operations
    assert training_flops(net.config, (4, 8, 3), STATES) == 3 * (sum(counted) + attention)


def test_it_learns_more_than_the_best_constant():
    """Discs anywhere, from noisy discs: far nearer than their mean picture."""
    torch.manual_seed(0)
    net = UNetConfig(levels=(Level(width=16, blocks=1), Level(width=32, blocks=1, heads=2))).build(1)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    nothing = torch.zeros(32, 1, 32), torch.zeros(32, 1).bool()
    for _ in range(80):
        cy, cx = torch.rand(2, 32, 1, 1) * 8
        discs = (((y - cy) ** 2 + (x - cx) ** 2 < 6).float() * 2 - 1)[..., None]
        loss = (net(discs + torch.randn_like(discs), torch.zeros(32), *nothing) - discs).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.3 * (discs - discs.mean(0)).square().mean()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"levels": []}, "levels: .*at least 1"),
        ({"levels": [{"width": 33, "heads": 2}]}, "width 33 does not split into 2 heads of even width"),
        ({"levels": [{"width": 8, "heads": 1}]}, "levels.0.width: .*greater than or equal to 16"),
        ({"levels": [{"width": 32}]}, "no level has heads"),
        ({"levels": [{"width": 32, "head": 1}]}, "did you mean 'heads'"),
        ({"axes": 4}, "axes: .*less than or equal to 3"),
        ({"patch": 4}, "unknown key 'patch'"),
    ],
)
def test_a_shape_that_cannot_be_is_refused_in_one_line(values, message):
    with pytest.raises(UsageError, match=message):
        parse(UNetConfig, values)
