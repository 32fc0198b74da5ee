"""Draws: the laws they claim, and nothing but (seed, step) behind them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ornstein.data.draw import ConceptFirst, Uniform
from ornstein.data.pack import Pack
from ornstein.errors import UsageError

MakePack = Callable[..., Pack]
DRAWS = 20_000


def people_and_things() -> list[dict[str, object]]:
    """Two styles of six skin tones, three concepts of one or two pictures, one concept held out."""
    rows: list[dict[str, object]] = [
        {"concept": "hand", "style": style, "variant": variant}
        for style in ("A", "B")
        for variant in range(6)
    ]
    rows += [{"concept": name, "style": style} for name, style in (("cup", "A"), ("sun", "A"), ("sun", "B"))]
    rows += [{"concept": "toned", "style": "A", "variant": variant} for variant in (1, 2)]
    return [*rows, {"concept": "secret", "style": "A", "split": "held-out-concept"}]


def chi_square(observed: np.ndarray, expected: np.ndarray) -> float:
    return float(((observed - expected) ** 2 / expected).sum())


def test_concepts_styles_and_variants_follow_the_law(make_pack: MakePack) -> None:
    pack = make_pack(people_and_things())
    rows, _ = ConceptFirst(pack, plain=0.5)(1, 0, DRAWS)
    concept = np.bincount(pack.concepts[rows], minlength=len(pack.concept_names))
    assert concept[pack.concept_names.index("secret")] == 0
    seen = concept[concept > 0]
    assert chi_square(seen, np.full(4, DRAWS / 4)) < 16.3  # 3 degrees of freedom, p = 0.001
    hands = rows[pack.concepts[rows] == pack.concept_names.index("hand")]
    style = np.bincount(pack.styles[hands])
    assert chi_square(style, np.full(2, len(hands) / 2)) < 10.8
    variant = np.bincount(pack.variants[hands], minlength=6)
    assert chi_square(variant, len(hands) * np.array([0.5, *[0.1] * 5])) < 20.5


def test_a_pair_without_a_plain_variant_is_still_drawn(make_pack: MakePack) -> None:
    pack = make_pack(people_and_things())
    rows, _ = ConceptFirst(pack, plain=1.0)(0, 0, DRAWS)
    toned = rows[pack.concepts[rows] == pack.concept_names.index("toned")]
    counts = np.bincount(pack.variants[toned])[1:]
    assert chi_square(counts, np.full(2, len(toned) / 2)) < 10.8
    assert (pack.variants[rows[pack.concepts[rows] == pack.concept_names.index("hand")]] == 0).all()


def test_uniform_draws_rows_of_the_split_alone(make_pack: MakePack) -> None:
    pack = make_pack(people_and_things())
    rows, _ = Uniform(pack)(1, 0, DRAWS)
    train = pack.indices("train")
    counts = np.bincount(rows, minlength=len(pack))
    assert counts.sum() == counts[train].sum()
    assert chi_square(counts[train], np.full(len(train), DRAWS / len(train))) < 39.3  # 16 degrees, p = 0.001


@pytest.mark.parametrize("law", [ConceptFirst, Uniform])
def test_draws_are_a_pure_function_of_seed_and_step(make_pack: MakePack, law: type) -> None:
    pack = make_pack(people_and_things())
    draw, again = law(pack), law(Pack.open(pack.folder))
    rows, captions = draw(7, 100, 32)
    draw(7, 101, 5)  # what was drawn in between must not matter
    repeated, repeated_captions = again(7, 100, 32)
    assert np.array_equal(rows, repeated)
    assert captions == repeated_captions
    longer, longer_captions = draw(7, 100, 64)
    assert np.array_equal(longer[:32], rows)
    assert longer_captions[:32] == captions
    for other in (draw(7, 101, 32), draw(8, 100, 32)):
        assert not np.array_equal(other[0], rows)


def test_caption_weights(make_pack: MakePack) -> None:
    pack = make_pack([{"captions": ("a", "b", "c")}, {"captions": ("a",)}])
    _, captions = Uniform(pack, caption_weights=(1, 0, 1, 5, 5))(0, 0, DRAWS)
    counts = np.array([captions.count(form) for form in "abc"])
    assert counts[1] == 0
    assert chi_square(counts[[0, 2]], DRAWS * np.array([0.75, 0.25])) < 10.8


@pytest.mark.parametrize("weights", [(), (0, 1), (-1,), (float("nan"),), (float("inf"),)])
def test_weights_that_cannot_be_meant(make_pack: MakePack, weights: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="caption weight"):
        Uniform(make_pack([{}]), caption_weights=weights)
