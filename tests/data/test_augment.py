"""Pictures move a little, by the given random numbers alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ornstein.data.augment import moved


def disc(side: int = 32, x: float = 16, y: float = 16) -> torch.Tensor:
    """A soft white disc on -1, (1, side, side, 1)."""
    v, h = torch.meshgrid(torch.arange(side) + 0.5, torch.arange(side) + 0.5, indexing="ij")
    return (2 * torch.sigmoid(6 - ((h - x) ** 2 + (v - y) ** 2).sqrt()) - 1)[None, :, :, None]


def centre(picture: torch.Tensor) -> torch.Tensor:
    """Where the white of a (side, side, 1) picture lies on average, in pixels."""
    weight = picture[..., 0] + 1
    places = torch.arange(len(weight)) + 0.5
    return torch.stack([(weight.sum(0) * places).sum(), (weight.sum(1) * places).sum()]) / weight.sum()


def test_moves_and_scales_stay_within_their_bounds_and_reach_them() -> None:
    x = disc().expand(400, -1, -1, -1)
    made = moved(x, np.random.default_rng(0), move=0.1, zoom=0.2, outside="empty")
    away = torch.stack([centre(picture) for picture in made]) - 16
    assert 2.8 < away.abs().max() < 3.2 * 1.2  # a tenth of 32 pixels, scaled with the picture
    area = (made + 1).sum((1, 2, 3)) / (x[0] + 1).sum()
    assert 1 / 1.2**2 - 0.03 < area.min() < 0.75
    assert 1.35 < area.max() < 1.2**2 + 0.03


def test_nothing_moves_where_nothing_may() -> None:
    x = torch.randn(3, 8, 8, 4)
    assert torch.allclose(moved(x, np.random.default_rng(0), 0.0, 0.0, "edge"), x, atol=1e-5)


def test_a_picture_depends_on_the_random_numbers_alone() -> None:
    x = torch.randn(3, 8, 8, 4)
    first, again, other = (moved(x, np.random.default_rng(seed), 0.1, 0.1, "edge") for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("outside", "least"), [("edge", 1.0), ("empty", -1.0)])
def test_what_comes_in_is_the_edge_or_nothing(outside: str, least: float) -> None:
    full = torch.ones(64, 16, 16, 4)
    made = moved(full, np.random.default_rng(0), 1 / 12, 1 / 6, outside)  # type: ignore[arg-type]
    assert made.max() <= 1 + 1e-5
    assert float(made.min()) == pytest.approx(least, abs=1e-5)
