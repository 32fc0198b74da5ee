"""Laws of the transformer: it sees tokens and coordinates, and nothing of padding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from jaxtyping import config as checks
from torch import nn

from ornstein.net.attention import Attention, rotary_angles, rotate
from ornstein.net.dit import Transformer, TransformerConfig
from ornstein.net.patched import PatchedConfig, PatchedTransformer
from tests.common import normal

WIDTH, TOKENS, STATES = 32, 7, 4
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def awaken(net: nn.Module) -> nn.Module:
    """Move weights away from zero, so that gates open and every part has a say."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return net


def new_transformer(axes: int = 2, depth: int = 2) -> Transformer:
    torch.manual_seed(0)
    return Transformer(TransformerConfig(width=WIDTH, depth=depth, heads=2, axes=axes))


def new_patched(axes: int, depth: int = 2) -> PatchedTransformer:
    torch.manual_seed(0)
    transformer = TransformerConfig(width=WIDTH, depth=depth, heads=2, axes=axes)
    config = PatchedConfig(transformer=transformer, patch=2, bottleneck=8, smooth=4)
    return PatchedTransformer(config, 3)


def inputs(axes: int = 2) -> dict[str, Any]:
    return {
        "tokens": normal(3, TOKENS, WIDTH).float(),
        "coordinates": normal(3, TOKENS, axes, seed=1).float().tanh(),
        "logsnr": torch.tensor([-6.0, 0.0, 12.0]),
        "condition": normal(3, STATES, WIDTH, seed=2).float(),
        "condition_mask": torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0]]).bool(),
    }


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("levels", ["row", "token"])
def test_permuting_tokens_with_their_coordinates_permutes_the_output(axes, levels):
    """So it serves sets as well as grids: order is nothing, coordinates are everything."""
    net, given = awaken(new_transformer(axes)), inputs(axes)
    order = torch.randperm(TOKENS, generator=torch.Generator().manual_seed(3))
    if levels == "token":
        given["logsnr"] = normal(3, TOKENS, seed=4).float()
    mixed = given | {name: given[name][:, order] for name in ("tokens", "coordinates")}
    if levels == "token":
        mixed["logsnr"] = given["logsnr"][:, order]
    torch.testing.assert_close(net(**mixed), net(**given)[:, order], **CLOSE)
    assert not torch.allclose(net(**given | {"tokens": mixed["tokens"]}), net(**mixed), atol=1e-3)


def test_the_order_of_condition_tokens_is_left_to_their_states():
    net, given = awaken(new_transformer()), inputs()
    reverse = given | {name: given[name].flip(1) for name in ("condition", "condition_mask")}
    torch.testing.assert_close(net(**reverse), net(**given), **CLOSE)


@pytest.mark.parametrize("levels", ["row", "token"])
def test_padding_of_either_kind_changes_nothing(levels):
    net, given = awaken(new_transformer()), inputs()
    if levels == "token":
        given["logsnr"] = normal(3, TOKENS, seed=4).float()
    plain = net(**given)
    junk = normal(3, 5, WIDTH, seed=5).float() * 30
    longer = given | {
        "condition": torch.cat([given["condition"], junk], 1),
        "condition_mask": torch.cat([given["condition_mask"], torch.zeros(3, 5).bool()], 1),
    }
    torch.testing.assert_close(net(**longer), plain, **CLOSE)
    more = given | {
        "tokens": torch.cat([given["tokens"], junk], 1),
        "coordinates": torch.cat([given["coordinates"], torch.ones(3, 5, 2)], 1),
        "token_mask": torch.cat([torch.ones(3, TOKENS), torch.zeros(3, 5)], 1).bool(),
    }
    if levels == "token":
        more["logsnr"] = torch.cat([given["logsnr"], torch.full((3, 5), 20.0)], 1)
    torch.testing.assert_close(net(**more)[:, :TOKENS], plain, **CLOSE)


def test_sets_of_different_sizes_share_a_batch():
    net, given = awaken(new_transformer()), inputs()
    sizes = [7, 2, 4]
    mask = torch.arange(TOKENS) < torch.tensor(sizes)[:, None]
    together = net(**given, token_mask=mask)
    for row, size in enumerate(sizes):
        alone = {name: value[row : row + 1] for name, value in given.items()}
        alone |= {name: alone[name][:, :size] for name in ("tokens", "coordinates")}
        torch.testing.assert_close(together[row, :size], net(**alone)[0], **CLOSE)


def test_one_level_for_all_tokens_is_the_level_of_the_row():
    net, given = awaken(new_transformer()), inputs()
    spread = given | {"logsnr": given["logsnr"][:, None].expand(-1, TOKENS)}
    torch.testing.assert_close(net(**spread), net(**given), **CLOSE)


@pytest.mark.parametrize(("axes", "spatial"), [(1, (8,)), (2, (4, 6)), (3, (4, 2, 4))])
def test_one_level_for_all_elements_is_the_level_of_the_row(axes, spatial):
    net, given = awaken(new_patched(axes)), inputs()
    z, logsnr = normal(3, *spatial, 3).float(), given["logsnr"]
    conditions = given["condition"], given["condition_mask"]
    spread = logsnr.reshape(3, *(1,) * axes).expand(3, *spatial)
    torch.testing.assert_close(net(z, spread, *conditions), net(z, logsnr, *conditions), **CLOSE)


def test_attention_sees_distances_not_places():
    """Rotary positions: moving all coordinates by one vector changes no product of a query and a key."""
    query, key = normal(2, 1, 2, TOKENS, 16)
    places = normal(1, TOKENS, 2, seed=1)

    def products(coordinates: torch.Tensor) -> torch.Tensor:
        angles = rotary_angles(coordinates, 16)[:, None]
        turned = [rotate(value, angles.cos(), angles.sin()) for value in (query, key)]
        return turned[0] @ turned[1].transpose(-1, -2)

    torch.testing.assert_close(
        products(places + torch.tensor([0.3, -0.2])), products(places), rtol=1e-5, atol=1e-5
    )
    assert not torch.allclose(products(places * 1.5), products(places), atol=1e-2)


def test_attention_does_not_depend_on_the_size_of_its_input():
    """Queries and keys are normalised: scaling what attention reads scales what it returns, and nothing else."""
    torch.manual_seed(0)
    attention, x = Attention(WIDTH, 2), normal(2, TOKENS, WIDTH).float()
    angles = torch.zeros(2, 1, TOKENS, WIDTH // 4)
    rotation = angles.cos(), angles.sin()
    small, large = attention(10 * x, rotation, None), attention(1000 * x, rotation, None)
    torch.testing.assert_close(large / 100, small, rtol=1e-4, atol=1e-4)


def test_a_new_block_is_the_identity():
    net, given = new_transformer(depth=3), inputs()
    x, modulation = given["tokens"], torch.zeros(3, 1, 6, WIDTH)
    angles = torch.zeros(3, 1, TOKENS, WIDTH // 4)
    for block in net.blocks:
        assert torch.equal(block(x, modulation, (angles.cos(), angles.sin()), None), x)
    shallow = new_transformer(depth=3)
    shallow.blocks = shallow.blocks[:0]
    assert torch.equal(net(**given), shallow(**given))


def test_a_new_network_returns_zero():
    given = inputs()
    output = new_patched(2)(
        normal(3, 4, 4, 3).float(), given["logsnr"], given["condition"], given["condition_mask"]
    )
    assert torch.equal(output, torch.zeros(3, 4, 4, 3))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_every_weight_learns(axes):
    """Zero-initialised gates and heads hold some gradients back at first; a few steps wake all of them."""
    net, given = new_patched(axes), inputs()
    z, target = normal(2, 3, *(4,) * axes, 3).float()
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(4):
        optimiser.zero_grad()
        loss = (net(z, given["logsnr"], given["condition"], given["condition_mask"]) - target).square().mean()
        loss.backward()
        losses.append(loss.item())
        optimiser.step()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []
    assert losses[-1] < losses[0]


@pytest.fixture
def unchecked():
    """The compiler reads the functions themselves, not the checks the tests put around them."""
    checks.update("jaxtyping_disable", True)
    yield
    checks.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("unchecked")
def test_compiled_is_eager():
    net, given = awaken(new_patched(2, depth=1)), inputs()
    arguments = normal(3, 4, 6, 3).float(), given["logsnr"], given["condition"], given["condition_mask"]
    compiled = torch.compile(net, fullgraph=True, dynamic=False)
    torch.testing.assert_close(compiled(*arguments), net(*arguments), **CLOSE)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="width 32 does not split into 3 heads"):
        Transformer(TransformerConfig(width=32, depth=1, heads=3))
