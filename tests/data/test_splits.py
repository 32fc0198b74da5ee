"""Splits: decided by names alone, never leaking, about as large as asked."""

from __future__ import annotations

from collections import defaultdict

from ornstein.data.manifest import HELD_OUT_CONCEPT, HELD_OUT_PAIR, TRAIN
from ornstein.data.splits import assign

STYLES = tuple("ABCDE")
ITEMS = [(f"concept {n}", f"family {n // 2}", style) for n in range(2000) for style in STYLES[: 1 + n % 5]]


def test_shares_are_about_five_percent() -> None:
    splits = dict(zip(ITEMS, assign(ITEMS), strict=True))
    concepts = {item[0] for item, split in splits.items() if split == HELD_OUT_CONCEPT}
    assert 0.035 < len(concepts) / 2000 < 0.065
    candidates = [item for item in ITEMS if 1 + int(item[0].split()[1]) % 5 >= 3 and item[0] not in concepts]
    pairs = [item for item in candidates if splits[item] == HELD_OUT_PAIR]
    assert 0.035 < len(pairs) / len(candidates) < 0.065


def test_a_held_out_concept_is_held_out_in_all_styles_and_genders() -> None:
    by_family: dict[str, set[str]] = defaultdict(set)
    for (_, family, _), split in zip(ITEMS, assign(ITEMS), strict=True):
        by_family[family].add(split)
    assert all(splits == {HELD_OUT_CONCEPT} for splits in by_family.values() if HELD_OUT_CONCEPT in splits)


def test_every_concept_with_a_held_out_pair_is_trained_in_two_styles() -> None:
    by_concept: dict[str, list[str]] = defaultdict(list)
    for (concept, _, _), split in zip(ITEMS, assign(ITEMS, pair_share=0.6), strict=True):
        by_concept[concept].append(split)
    held = [splits for splits in by_concept.values() if HELD_OUT_PAIR in splits]
    assert held
    assert all(splits.count(TRAIN) >= 2 for splits in held)


def test_variants_of_a_pair_go_together() -> None:
    assert len(set(assign([("hand", "hand", "A")] * 30, pair_share=0.5))) == 1


def test_neither_order_nor_company_changes_a_split() -> None:
    splits = dict(zip(ITEMS, assign(ITEMS), strict=True))
    assert assign(ITEMS[::-1]) == [splits[item] for item in ITEMS[::-1]]
    few = [item for item in ITEMS if int(item[0].split()[1]) < 100]
    assert assign(few) == [splits[item] for item in few]
