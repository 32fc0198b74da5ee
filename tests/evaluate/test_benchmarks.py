"""What benchmarks ask for: prompts of the retrieval benchmark on a plain pack; composed prompts that can be read."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ornstein.condition.syntax import parse
from ornstein.data import pixels
from ornstein.data.manifest import Row
from ornstein.data.pack import Pack
from ornstein.data.write import write_pack

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
STYLES = ("A style", "B style")


@pytest.fixture
def retrieval(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("retrieval")


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """Twelve single things and one toned person in two styles; thing 0 is held out, thing 1 in style B."""
    rows: list[tuple[str, str, int, str]] = []
    for style in STYLES:
        for k in range(12):
            held = (
                "held-out-concept" if k == 0 else "held-out-pair" if (k, style) == (1, STYLES[1]) else "train"
            )
            rows.append((f"thing {k:02d}", style, 0, held))
        rows += [("woman running", style, variant, "train") for variant in range(3)]
    rows.append(("lonely thing", STYLES[0], 0, "train"))
    items = []
    for k, (concept, style, variant, split) in enumerate(rows):
        data = pixels.encode(np.full((8, 8, 4), k, np.uint8))
        family = "person running" if "running" in concept else concept
        row = Row(
            id=f"{k:03d}", sha256=hashlib.sha256(data).hexdigest(), licence="CC0-1.0", holder="test", source="here",
            split=split, concept=concept, style=style, variant=variant, captions=(f"{concept}, {style}",),
            family=family,
        )  # fmt: skip
        items.append((row, data))
    write_pack(tmp_path / "pack", name="t", size=8, channels=4, items=items, variants=("", "light", "dark"))
    return Pack.open(tmp_path / "pack")


def names(pack: Pack, rows: np.ndarray) -> set[str]:
    return {pack.captions(int(row))[0] for row in rows}


def test_groups_hold_what_they_say(retrieval: ModuleType, pack: Pack) -> None:
    groups = {group.name: group.rows for group in retrieval.choose(pack, 1000, seed=0)}
    assert len(groups["trained"]) == 10 + 11 + 2 + 1
    assert all((pack.variants[rows] == 0).all() for rows in groups.values())
    assert names(pack, groups["trained"]) - names(pack, groups["single-variant"]) == {
        "woman running, A style",
        "woman running, B style",
    }
    assert names(pack, groups["held-out-pairs"]) == {"thing 01, B style"}
    assert names(pack, groups["held-out-concepts"]) == {"thing 00, A style", "thing 00, B style"}


def test_prompts_are_the_seeds_and_groups_share_them(retrieval: ModuleType, pack: Pack) -> None:
    def rows(count: int, seed: int) -> dict[str, list[int]]:
        return {group.name: group.rows.tolist() for group in retrieval.choose(pack, count, seed)}

    assert rows(8, 3) == rows(8, 3) != rows(8, 4)
    few, more = rows(4, 3), rows(8, 3)
    assert all(more[name][: len(few[name])] == few[name] for name in few), (
        "a larger count continues the same list"
    )
    assert set(few["single-variant"][:3]) <= set(more["trained"])


def test_the_ceiling_is_another_style_of_the_same_concept(retrieval: ModuleType, pack: Pack) -> None:
    rows, others = retrieval.other_styles(pack, retrieval.plain_pairs(pack), seed=0)
    assert (pack.concepts[rows] == pack.concepts[others]).all()
    assert (pack.styles[rows] != pack.styles[others]).all()
    assert (pack.variants[others] == 0).all()
    assert "lonely thing, A style" not in names(pack, rows)


def test_every_way_of_composing_can_be_read_and_keeps_the_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    guidance = importlib.import_module("guidance")
    for prompts in guidance.KINDS.values():
        for wanted in prompts:
            words = set(wanted.prompt.split()) - {"and"}
            for recast in guidance.WAYS.values():
                parts = parse(recast(wanted.prompt))
                said = {
                    word for part in parts for k in range(part.period) for word in part.at(k).text.split()
                }
                assert said - {"and"} == words
