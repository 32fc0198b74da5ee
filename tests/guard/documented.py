"""Bundles to write documents about, and what a written one says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from ornstein.bundle import Bundle
from ornstein.codec.pixels import PixelCodec
from ornstein.guard.documents.about import About
from ornstein.guard.documents.facts import Known, gather
from ornstein.guard.policy import SHIPPED, Policy
from ornstein.recipes.imported import ImportedNetwork, ImportedProcess, ImportedRecipe, NoCondition, Source
from ornstein.recipes.recipe import SamplingSection
from ornstein.saving import save_imported
from tests.small import random_model, rows, text_recipe

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6, "count": 100}
EVIL = (
    "<script>alert(1)</script> ![x](http://x/y.png) [a](javascript:b) | &lt;i &#60; ~~s~~ |\n\n"
    "# Heading\n- item `code` *x* **y**"
)


def filled() -> dict[str, Any]:
    """An about file in which every key says something found nowhere else."""
    sources = ("public", "licensed", "private", "crawled", "user", "services", "synthetic", "other")
    texts = ("content", "languages", "characteristics", "reservations", "illegal_content", "processing")
    risks = About.model_json_schema()["properties"]["risks"]["propertyNames"]["enum"]
    return {
        "provider": {key: f"the {key} of the provider" for key in ("name", "contact", "address", "representative")},
        "model": {
            "version": "7.3", "date": date(2026, 9, 1), "url": "https://example.org/emoji", "licence": "apache-2.0",
            "distribution": "by post", "intended": ["greeting cards", "stickers"], "out_of_scope": ["passports"],
            "acceptable_use": "be kind", "depends_on": "nobody else",
        },
        "data": {
            **{key: {"used": True, "description": f"described {key}"} for key in sources},
            **{key: f"said of {key}" for key in texts}, "until": date(2026, 5, 4), "signatory": True,
        },
        "training": {
            "kilowatt_hours": 1.25, "how": "read from a meter", "hardware": "two old cores",
            "rationale": "it was quick", "adversarial": "three friends tried",
        },
        "risks": {name: f"what remains of {name}" for name in risks},
    }  # fmt: skip


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of an about file with its value; a kind of source and a list count as one key."""
    for name, value in values.items():
        where = f"{path}.{name}" if path else name
        if isinstance(value, dict) and "used" not in value:
            yield from leaves(value, where)
        else:
            yield where, value


def known(folder: Path, about: Any = None, evidence: tuple[Path, ...] = ()) -> Known:
    about = About.model_validate(about) if isinstance(about, dict) else about
    return gather(Bundle.open(folder), about=about, policy=Policy.read(SHIPPED), evidence=evidence)


def texts(folder: Path) -> dict[str, str]:
    return {f.name: f.read_text(encoding="utf-8") for f in sorted(folder.iterdir()) if f.suffix != ".parquet"}


def shape(markdown: str) -> list[tuple[str, str]]:
    """A document's structure as readers' programs see it, without its words."""
    return [
        (token.type, child.type)
        for token in MARKDOWN.parse(markdown)
        for child in [token, *(c for c in token.children or () if c.type not in ("text", "softbreak"))]
    ]


def words(markdown: str) -> list[str]:
    """What readers see: the text of each line or cell."""
    lines = [token.children or () for token in MARKDOWN.parse(markdown) if token.type == "inline"]
    return [
        "".join(child.content for child in line if child.type in ("text", "text_special")) for line in lines
    ]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with a manifest and the figures of an evaluation."""
    metrics = {
        "figures": {"Scorer": {"fdr": {"generated": FIGURE, "better": "lower"}},
                    "pictures": {"style": {"generated": FIGURE, "real": FIGURE, "better": "higher"}}},
        "settings": {"steps": 4, "sampler": "ddim"}, "held against": {"pack": "toys"},
        "copying": {"Scorer": {"flagged": FIGURE, "expected": FIGURE}},
        "cost of a thousand": {"watt_hours": 1.5, "energy_is_measured": False, "peak_megabytes": 900.0},
    }  # fmt: skip
    training = {"seen": 1234, "seconds": 7200.0, "flops": 3e15, "started from": "f" * 64}
    folder = tmp_path_factory.mktemp("measured") / "toys"
    return random_model(text_recipe("toys")).save(folder, manifest=rows(), metrics=metrics, training=training)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a published checkpoint: nothing is known of its training."""
    recipe = ImportedRecipe(
        name="found", source=Source(name="somebody/found", revision="1" * 40, pipeline="DDPMPipeline",
                                    scheduler="DDPMScheduler", licences={"README.md": "openrail <b>"}),
        condition=NoCondition(), codec=PixelCodec(channels=3), process=ImportedProcess(),
        network=ImportedNetwork(family="unconditional", network="UNet2DModel", size=16, multiple=2, smallest=16,
                                largest=64),
        sampling=SamplingSection(size=16),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("imported") / "found"
    save_imported(folder, recipe, {"model_index.json": b"{}"}, lambda part: 42, dtype="float32", metrics={})
    return folder
