"""Forgetting: manifest, counts and index lose a holder at once; what the policy forbids is never learned from."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from ornstein.bundle import MANIFEST, Bundle
from ornstein.data.manifest import read, root_hash
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.decision import RefusedError
from ornstein.guard.learning import exact_duplicates, refuse_forbidden
from ornstein.guard.policy import Training
from ornstein.guard.trace.forget import forget, own
from ornstein.guard.trace.sources import Sources
from ornstein.model import Model
from ornstein.shelf import SHIPPED, find
from ornstein.train.start import starting_model
from tests.guard.traced import ADA, PICTURES, STUDIO, Drawn, drawn, indexed
from tests.small import Command, ornstein, text_recipe

__all__ = ["drawn", "indexed", "ornstein"]

DAY = date(2026, 8, 2)


@pytest.fixture
def copy(indexed: Path, tmp_path: Path) -> Path:
    """A bundle to change."""
    return Path(shutil.copytree(indexed, tmp_path / "copy"))


def test_a_holder_is_out_of_manifest_counts_and_index(copy: Path, drawn: Drawn) -> None:
    old = Bundle.open(copy)
    new = forget(old, ADA, DAY)
    rows, data = read(copy / MANIFEST), new.facts.data
    assert data
    assert old.facts.data
    assert ADA not in {row.holder for row in rows}
    assert data.root == root_hash(rows) != old.facts.data.root
    assert {origin.holder for origin in data.origins} == {STUDIO}
    assert new.fingerprint == old.fingerprint  # the weights know them all the same
    sources = Sources.open(Bundle.open(copy))
    named = {source.id for found in sources.nearest(drawn.pictures, 3) for source in found.sources}
    assert named <= {row.id for row in rows}
    (mark,) = new.facts.forgotten
    assert (mark.what, mark.day, mark.root) == (ADA, "2026-08-02", old.facts.data.root)
    assert mark.pictures == sum(row.holder == ADA for row in drawn.rows())


def test_it_is_told_until_the_model_is_trained_again(copy: Path, tmp_path: Path) -> None:
    forget(Bundle.open(copy), ADA, DAY)
    assert "Ada & Co" in (copy / "card.md").read_text()
    model = Model.load(copy)
    with pytest.warns(UserWarning, match="pictures that were to be forgotten: train it again"):
        model.generate("cat", seeds=1, steps=1)
    model.save(tmp_path / "again")
    assert Bundle.open(tmp_path / "again").facts.forgotten == Bundle.open(copy).facts.forgotten
    recipe = text_recipe()
    start = recipe.training.model_copy(update={"start": str(copy)})
    with pytest.raises(OrnsteinError, match="still knows pictures that were to be forgotten"):
        starting_model(recipe.model_copy(update={"training": start}))


def test_a_single_picture(copy: Path) -> None:
    new = forget(Bundle.open(copy), PICTURES[7], DAY)
    assert PICTURES[7] not in Sources.open(new).index.ids
    assert new.facts.forgotten[0].pictures == 1
    again = forget(new, PICTURES[8], DAY)
    assert [mark.what for mark in again.facts.forgotten] == [PICTURES[7], PICTURES[8]]


@pytest.mark.parametrize("what", ["Nobody", "", "studio", "../..", "drawing"])
def test_what_nobody_is_called(copy: Path, what: str) -> None:
    before = (copy / "model.json").read_bytes()
    with pytest.raises(UsageError, match="no holder and no picture"):
        forget(Bundle.open(copy), what, DAY)
    assert (copy / "model.json").read_bytes() == before


def test_the_command_also_rewrites_the_pack(
    copy: Path, drawn: Drawn, tmp_path: Path, ornstein: Command
) -> None:
    pack = drawn.pack(tmp_path / "pack")
    (pack.folder / "features").mkdir()  # computed from all of them
    said = ornstein("data", "forget", ADA, "--model", copy, "--pack", pack.folder)
    assert said.code == 0
    assert "train it again" in said.out
    left = Pack.open(pack.folder)
    assert ADA not in {row.holder for row in left.rows()}
    assert len(left) == sum(row.holder != ADA for row in drawn.rows())
    assert left.header.notes == {"left out: forgotten": len(pack) - len(left)}
    assert not (pack.folder / "features").exists()
    assert ornstein("data", "forget", ADA).code == 2


def test_a_shipped_model_is_copied_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path))
    before = (SHIPPED / "fashion" / "model.json").read_bytes()
    folder = own(find("fashion"))
    assert folder.is_relative_to(tmp_path)
    assert find("fashion") == folder  # it stands before the shipped one from now on
    assert Bundle.open(folder).fingerprint == Bundle.open(SHIPPED / "fashion").fingerprint
    assert own(folder) == folder.resolve()
    assert (SHIPPED / "fashion" / "model.json").read_bytes() == before


def test_the_policy_names_what_it_forbids_to_learn_from(drawn: Drawn) -> None:
    rows = drawn.rows()
    refuse_forbidden(rows, Training())
    counted = sum(row.holder == ADA and row.split == "train" for row in rows)
    with pytest.raises(RefusedError, match=f"{counted} under CC-BY-4.0") as refused:
        refuse_forbidden(rows, Training(licences=("MIT",)))
    assert refused.value.exit_code == 3
    with pytest.raises(RefusedError, match=f"{counted} held by Ada & Co"):
        refuse_forbidden(rows, Training(holders=(ADA,)))
    held = [row for row in rows if row.split != "train"]
    refuse_forbidden(held, Training(holders=(ADA, STUDIO)))  # nothing is learned from these


def test_training_is_refused_before_it_starts(drawn: Drawn, tmp_path: Path, ornstein: Command) -> None:
    pack = drawn.pack(tmp_path / "pack")
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"version: 1\nname: strict\ntraining:\n  holders: [{STUDIO}]\n")
    said = ornstein("train", pack.folder, "--policy", policy, "--out", tmp_path / "run")
    assert said.code == 3
    assert "held by Studio" in said.err
    assert not (tmp_path / "run").exists()


def test_duplicates_are_counted_and_left_out(drawn: Drawn, tmp_path: Path, ornstein: Command) -> None:
    pictures = drawn.pictures.copy()
    pictures[1] = pictures[0]
    pictures[5] = pictures[0]
    pictures[9] = (pictures[8].astype(int) - 3 * (pictures[8] > 3)).astype("uint8")  # a shade darker
    pictures[9, ..., 3] = pictures[8, ..., 3]
    pack = Drawn(pictures, drawn.trained, drawn.ids).pack(tmp_path / "pack")
    assert exact_duplicates(pack.rows()) == 2
    assert "2 of the 120" in ornstein("data", "dedup", pack.folder).out.replace("there already", "")
    said = ornstein("data", "dedup", pack.folder, "--near", "--out", tmp_path / "less")
    assert said.code == 0, said.err
    left = set(Pack.open(tmp_path / "less").ids)
    assert set(drawn.ids) - left == {drawn.ids[1], drawn.ids[5], drawn.ids[9]}
