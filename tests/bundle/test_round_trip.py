"""What is saved comes back, whole, and says where it came from."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

import ornstein
from ornstein.bundle import Bundle
from ornstein.data.manifest import read, root_hash
from ornstein.errors import OrnsteinError, UsageError
from ornstein.model import Model
from ornstein.process.times import ShiftedGrid
from ornstein.recipes.recipe import TextCondition
from tests.small import random_model, rows, text_recipe


def test_float32_weights_come_back_exactly(grey: Path) -> None:
    from tests.small import class_recipe

    saved, loaded = random_model(class_recipe()).network.state_dict(), Model.load(grey).network.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[name], loaded[name]) for name in saved)


def test_bfloat16_halves_the_file_and_comes_back_rounded(bundle: Path) -> None:
    saved, model = random_model(text_recipe()).network.state_dict(), Model.load(bundle)
    loaded = model.network.state_dict()
    assert all(torch.equal(loaded[name], saved[name].bfloat16().float()) for name in saved)
    weights = sum(value.numel() for value in saved.values())
    assert 2 * weights < (bundle / "model.safetensors").stat().st_size < 2 * weights + 20_000


def test_saving_again_keeps_what_is_known_and_who_it_is(bundle: Path, tmp_path: Path) -> None:
    """Measurements are added after training; pictures made before must still replay."""
    model = Model.load(bundle)
    model.save(tmp_path / "again", metrics={"R@5": 0.6, "by split": {"train": 0.7}})
    old, new = Model.load(bundle).bundle, Model.load(tmp_path / "again").bundle
    assert old
    assert new
    assert new.fingerprint == old.fingerprint
    assert new.facts.training == {"seen": 1234, "seconds": 90.0, "flops": 3e15}
    assert new.facts.data == old.facts.data
    assert new.metrics() == {"R@5": 0.6, "by split": {"train": 0.7}}
    assert read(tmp_path / "again" / "manifest.parquet") == rows()
    assert "- by split:\n  - train: 0.7" in (tmp_path / "again" / "card.md").read_text()


@pytest.mark.parametrize(
    ("sampling", "seed", "same"),
    [
        ({}, 0, True),
        ({"steps": 7, "guidance": 1.5}, 0, True),
        ({"interval": (0.0, 1.0)}, 0, False),
        ({}, 1, False),
    ],
)
def test_the_fingerprint_is_of_what_a_picture_depends_on(
    bundle: Path, tmp_path: Path, sampling: dict[str, object], seed: int, same: bool
) -> None:
    recipe = text_recipe()
    recipe = recipe.model_copy(update={"sampling": recipe.sampling.model_copy(update=sampling)})
    random_model(recipe, seed=seed).save(tmp_path / "other", dtype="bfloat16")
    assert (Bundle.open(tmp_path / "other").fingerprint == Bundle.open(bundle).fingerprint) is same


def test_a_bundle_keeps_its_fingerprint_when_recipes_learn_new_choices(bundle: Path, tmp_path: Path) -> None:
    """A header written before a choice existed lacks its key: it means the default, and counts the same."""
    older = shutil.copytree(bundle, tmp_path / "older")
    header = json.loads((older / "model.json").read_text())
    del header["recipe"]["process"]["target"], header["recipe"]["data"]["augment"]
    (older / "model.json").write_text(json.dumps(header))
    assert Bundle.open(older).fingerprint == Bundle.open(bundle).fingerprint


def test_defaults_that_a_fingerprint_leaves_out_never_change() -> None:
    """Where one of these changed, every bundle that keeps to it would name another model than its pictures do."""
    recipe = text_recipe()
    kept = [recipe.process, type(recipe.network)(), type(recipe.codec)(), ShiftedGrid(), TextCondition()]
    assert [part.model_dump(mode="json") for part in kept] == [
        {"path": {"kind": "flow"}, "target": "x"},
        {
            "kind": "transformer", "transformer": {"width": 384, "depth": 6, "heads": 6, "axes": 2}, "patch": 8,
            "bottleneck": 128, "smooth": 16,
        },
        {"kind": "pixels", "channels": 4, "deviation": 1.0},
        {"kind": "shifted", "shift": 1.0},
        {"kind": "text", "length": 16},
    ]  # fmt: skip


def test_the_manifest_is_counted_by_origin_and_pinned_by_its_root(bundle: Path) -> None:
    found = Model.load(bundle).bundle
    assert found
    data = found.facts.data
    assert data
    assert data.root == root_hash(rows())
    assert data.splits == {"train": 3, "held-out-pair": 1}
    noto = next(origin for origin in data.origins if origin.style == "Noto style")
    assert (noto.holder, noto.licence, noto.pictures) == ("Google Inc", "Apache-2.0", 2)
    assert sum(origin.trained for origin in data.origins) == data.splits["train"]
    assert noto.source == "@icons/json 2.2 noto"


def test_the_card_names_every_author_and_breaks_no_table(bundle: Path) -> None:
    card = (bundle / "card.md").read_text()
    assert "| Noto style | Google Inc | Apache-2.0 | @icons/json 2.2 noto | 1 | 1 |" in card
    assert "| flat style | Ada \\| Co Ltd | CC-BY-4.0 |" in card
    assert "samples seen: 1,234" in card
    assert "3e+15 floating-point operations" in card
    assert "R@5: 0.5" in card


def test_a_card_says_what_is_not_known(grey: Path) -> None:
    card = (grey / "card.md").read_text()
    assert card.count("Not recorded in this bundle.") == 2
    assert "None recorded." in card


def test_loading_needs_no_extra(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert Model.load(bundle).generate("cat", seeds=1, steps=1)[0].image.size == (32, 32)


def test_an_existing_folder_is_never_touched(model: Model, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="exists already"):
        model.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("metrics", [{"loss": float("nan")}, {"loss": torch.zeros(1)}])
def test_a_save_that_fails_leaves_nothing(model: Model, tmp_path: Path, metrics: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="plain finite values"):
        model.save(tmp_path / "new", metrics=metrics)
    with pytest.raises(OrnsteinError, match="missing"):
        model.save(tmp_path / "new", manifest=tmp_path / "no-such.parquet")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    broken = random_model(text_recipe())
    with torch.no_grad():
        broken.network.embedder.null[3] = torch.nan
    with pytest.raises(OrnsteinError, match=r"embedder\.null is not finite"):
        broken.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_names_come_from_the_users_shelf(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path))
    Model.load(bundle).save(tmp_path / "bundles" / "kittens")
    assert ornstein.load("kittens").recipe.name == "small"
    with pytest.raises(OrnsteinError, match="did you mean 'kittens'"):
        ornstein.load("kitten")


def test_other_people_may_read_what_is_saved(bundle: Path) -> None:
    assert {file.stat().st_mode & 0o044 for file in bundle.iterdir()} == {0o044}


def test_the_header_is_plain_json(bundle: Path) -> None:
    values = json.loads((bundle / "model.json").read_text())
    assert values["recipe"]["condition"] == {"kind": "text", "length": 8}
    assert set(values["files"]) == {"model.safetensors", "metrics.json", "card.md", "manifest.parquet"}


def test_the_card_counts_long_lists_and_leaves_out_what_is_not_there(bundle: Path, tmp_path: Path) -> None:
    metrics = {
        "scorer": None,
        "composition": {},
        "sweep": {"samples": 9, "points": [{"kid": 1.5}, {"kid": 2.5}]},
    }
    Model.load(bundle).save(tmp_path / "measured", metrics=metrics)
    card = (tmp_path / "measured" / "card.md").read_text()
    assert "- sweep:\n  - samples: 9\n  - points: 2, in `metrics.json`\n" in card
    assert "scorer" not in card and "composition" not in card
