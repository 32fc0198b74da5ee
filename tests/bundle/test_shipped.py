"""The models that ship: whole, small enough, measured as they are, and they draw what they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from ornstein.bundle import MANIFEST, Bundle
from ornstein.data.manifest import read, root_hash
from ornstein.model import Model
from ornstein.shelf import SHIPPED

LARGEST = {"emoji": 40e6, "fashion": 25e6, "kjv": 12e6}  # bytes
TEXT = "held-out bits a character"
SEEDS = [1, 2, 3, 4, 5, 6]


def test_every_shipped_model_is_known_here() -> None:
    assert {folder.name for folder in SHIPPED.iterdir()} == set(LARGEST)


@pytest.mark.parametrize("name", LARGEST)
def test_it_is_whole_small_and_measured_as_it_is(name: str) -> None:
    bundle = Bundle.open(SHIPPED / name)
    assert bundle.facts.name == name
    assert sum(file.stat().st_size for file in bundle.folder.iterdir()) <= LARGEST[name]
    assert bundle.metrics()["fingerprint"] == bundle.fingerprint
    assert bundle.metrics().keys() & {"figures", TEXT}
    assert bundle.facts.data
    rows = read(bundle.folder / MANIFEST)
    assert root_hash(rows) == bundle.facts.data.root
    assert all(row.licence and row.holder for row in rows)


def test_the_text_model_is_within_reach_of_its_rival() -> None:
    figures = Bundle.open(SHIPPED / "kjv").metrics()[TEXT]
    assert figures["token by token, exact, over the rival's"]["high"] < 1.15


def test_the_emoji_model_knows_colours() -> None:
    red, blue = (
        np.stack([out.array for out in Model.load("emoji").generate([prompt] * len(SEEDS), SEEDS)]).astype(
            float
        )
        for prompt in ("red heart, Twemoji style", "blue heart, Twemoji style")
    )
    assert (red[..., 0].mean((1, 2)) > 1.5 * red[..., 2].mean((1, 2))).all()
    assert (blue[..., 2].mean((1, 2)) > 1.5 * blue[..., 0].mean((1, 2))).all()


def test_the_fashion_model_knows_shapes() -> None:
    model = Model.load("fashion")
    ink = {
        name: np.stack([out.array for out in model.generate([name] * len(SEEDS), SEEDS)])[..., 0].mean(0)
        for name in ("trousers", "pullover", "sandal")
    }
    assert ink["trousers"][:, :6].mean() < 0.25 * ink["pullover"][:, :6].mean()  # legs, no sleeves
    assert ink["sandal"][:6].mean() < 0.25 * ink["trousers"][:6].mean()  # flat
