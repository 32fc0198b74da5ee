"""Patches: a grid is cut and put together again, and a place keeps its coordinates at any resolution."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ornstein.net.tokens import grid_coordinates, patch_means, patchify, unpatchify
from tests.common import normal

each_grid = pytest.mark.parametrize(
    ("spatial", "patch"), [((12,), 4), ((6,), 1), ((8, 4), 2), ((6, 9), 3), ((4, 2, 6), 2)], ids=str
)


@each_grid
def test_unpatchify_is_the_inverse_of_patchify(spatial, patch):
    x = normal(2, *spatial, 3)
    tokens = patchify(x, patch)
    assert tokens.shape[1] == x[0, ..., 0].numel() // patch ** len(spatial)
    assert torch.equal(unpatchify(tokens, patch, spatial), x)


@each_grid
def test_a_token_holds_the_neighbourhood_of_its_coordinates(spatial, patch):
    """Patchifying each element's own coordinates gives tokens whose mean is the token's coordinates."""
    places = grid_coordinates(spatial, 1).view(1, *spatial, len(spatial))
    means = patchify(places, patch).view(-1, patch ** len(spatial), len(spatial)).mean(1)
    torch.testing.assert_close(means, grid_coordinates(spatial, patch))


def test_a_place_keeps_its_coordinates_at_any_resolution():
    small, large = grid_coordinates((4, 6), 2), grid_coordinates((8, 12), 4)
    torch.testing.assert_close(small, large)
    assert grid_coordinates((64, 64), 1).abs().max() < 1


@each_grid
def test_levels_of_a_patch_are_the_mean_of_its_elements(spatial, patch):
    levels = normal(2, *spatial)
    expected = patchify(levels[..., None], patch).mean(-1)
    torch.testing.assert_close(patch_means(levels, patch, spatial), expected)
    row = normal(2)
    assert torch.equal(patch_means(row, patch, spatial), row)
    leading = levels[
        (slice(None), slice(None), *(0,) * (len(spatial) - 1))
    ]  # one level for each slice of axis 0

    def stretch(value: Tensor) -> Tensor:
        return value.reshape(*value.shape, *(1,) * (len(spatial) - 1)).expand(2, *spatial)

    torch.testing.assert_close(
        patch_means(leading, patch, spatial), patch_means(stretch(leading).contiguous(), patch, spatial)
    )


def test_a_size_that_is_no_multiple_of_the_patch_is_refused():
    with pytest.raises(ValueError, match=r"\(6, 5\) is not a multiple of the patch size 2"):
        patchify(normal(1, 6, 5, 3), 2)
