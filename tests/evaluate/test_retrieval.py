"""The search on features made up so that every answer is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from ornstein.evaluate.retrieval import Gallery, Search, chance, places

STYLES, CONCEPTS = 3, 7


def world(offset: float, noise: float = 0.0) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Features that are concept + offset * style (+ noise), one picture of each concept in each style."""
    random = torch.Generator().manual_seed(0)
    concept = torch.eye(CONCEPTS, 16)
    style = torch.randn(STYLES, 16, generator=random) * offset
    features = (style[:, None] + concept).reshape(-1, 16)
    features = features + noise * torch.randn(features.shape, generator=random)
    styles, concepts = np.divmod(np.arange(STYLES * CONCEPTS), CONCEPTS)
    return features, styles, concepts


def other_style(gallery: Gallery, features: torch.Tensor, styles: np.ndarray, concepts: np.ndarray) -> Search:
    return gallery.search(features, styles.tolist(), ((styles + 1) % STYLES).tolist(), concepts.tolist())


def test_a_style_that_drowns_concepts_is_centred_away() -> None:
    features, styles, concepts = world(offset=50.0)
    plain = other_style(Gallery(features, styles, concepts, False), features, styles, concepts)
    centred = other_style(Gallery(features, styles, concepts, True), features, styles, concepts)
    assert plain.recall(1).rate < 0.5
    assert centred.recall(1).rate == 1.0


def test_without_styles_the_ceiling_is_one_and_noise_takes_it_to_chance() -> None:
    features, styles, concepts = world(offset=0.0)
    assert (
        other_style(Gallery(features, styles, concepts, False), features, styles, concepts).recall(1).rate
        == 1
    )
    rates = []
    for seed in range(40):
        torch.manual_seed(seed)
        noise = torch.randn(features.shape)
        found = other_style(Gallery(noise, styles, concepts, False), noise, styles, concepts)
        rates.append(found.recall(1).rate)
        assert found.recall(1).chance == pytest.approx(1 / CONCEPTS)
    assert np.mean(rates) == pytest.approx(1 / CONCEPTS, abs=4 * math.sqrt(0.13 / (40 * len(styles))))


def test_gender_and_tone_do_not_count() -> None:
    """Rows of one family are all right, whichever gender and tone the nearest one has."""
    families = np.array([0, 0, 0, 1, 2])  # man running, woman running, dark woman running; two others
    features = torch.tensor([[1.0, 0.3], [1.0, 0.0], [0.9, 0.1], [0.7, 0.7], [0.0, 1.0]])
    gallery = Gallery(features, np.zeros(5, np.int64), families, centre=False)
    found = gallery.search(torch.tensor([[1.0, 0.05], [0.5, 0.9]]), [0, 0], [0, 0], [0, 0])
    assert found.places.tolist() == [1, 3]  # of the second query: 1 and 2 lie nearer than any runner
    assert found.right.tolist() == [3, 3]
    assert [found.recall(k).hits for k in (1, 2, 3)] == [1, 1, 2]


def test_ties_count_against_the_picture() -> None:
    similarity = torch.tensor([[0.5, 0.9, 0.9, 0.9, 0.1]]).expand(3, 5)
    right = torch.zeros(3, 5, dtype=torch.bool)
    right[0, 1] = right[1, 1:4] = right[2, 4] = True
    assert places(similarity, right).tolist() == [3, 1, 5]
    with pytest.raises(ValueError, match="none"):
        places(similarity, right.logical_and(torch.tensor([[True], [False], [True]])))


@pytest.mark.parametrize(("right", "among", "k"), [(1, 5, 1), (2, 6, 3), (3, 7, 5), (1, 3, 5), (4, 5, 2)])
def test_chance_is_the_share_of_all_draws(right: int, among: int, k: int) -> None:
    draws = list(itertools.combinations(range(among), min(k, among)))
    expected = sum(any(item < right for item in draw) for draw in draws) / len(draws)
    assert chance(np.array([right]), np.array([among]), k) == pytest.approx(expected)
    both = chance(np.array([right, among]), np.array([among, among]), k)
    assert both == pytest.approx((expected + 1) / 2)


def test_nothing_asked_says_nothing() -> None:
    empty = Search(*(np.zeros(0, np.int64) for _ in range(3)))
    assert empty.recall(5).count == 0
