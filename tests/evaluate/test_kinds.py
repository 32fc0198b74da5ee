"""Models of texts and rows, measured by the one command: what it finds, where it writes it, and what it wants."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from ornstein.bundle import Bundle
from ornstein.data.manifest import TRAIN
from ornstein.data.text import Passage, TextPack, write_pack
from tests.fields import PASSAGES, letters, people, rows_bundle, text_bundle
from tests.small import Command, ornstein

__all__ = ["letters", "ornstein"]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> TextPack:
    folder = tmp_path_factory.mktemp("text") / "pack"
    passages = [Passage(str(k), text, f"letter {k}") for k, text in enumerate(PASSAGES)]
    write_pack(
        folder, "letters", passages, licence="CC0-1.0", holder="A. Writer", source="letters", held_out=0.4
    )
    return TextPack.open(folder)


def test_a_model_of_text_that_learned_nothing_is_near_the_uniform_law(
    ornstein: Command, pack: TextPack, tmp_path: Path
) -> None:
    bundle, out = text_bundle(tmp_path / "letters"), tmp_path / "out"
    told = ornstein("evaluate", bundle, "--data", pack.folder, "--samples", 5, "--out", out)
    assert told.code == 0, told.err
    assert "Bits a character" in told.out
    found = json.loads((out / "metrics.json").read_text())["text"]
    assert Bundle.open(bundle).metrics()["text"] == found
    tokens = sum(len(Bundle.open(bundle).facts.recipe.codec.encode(text)) for text in pack.texts)
    uniform = tokens * math.log2(300) / sum(len(text) for text in pack.texts)
    assert found["bits a character"]["value"] > 0.9 * uniform
    assert found["real"]["words"] >= 5
    gated = ornstein(
        "evaluate", bundle, "--data", pack.folder, "--samples", 3, "--out", out, "--fail-if", "bits>0.5"
    )
    assert gated.code == 1
    assert "bits is" in gated.err


def test_training_text_given_back_is_told_from_the_rest(pack: TextPack, tmp_path: Path, monkeypatch) -> None:
    import ornstein as package
    from ornstein.evaluate.kinds import Asked, measure

    model = package.load(text_bundle(tmp_path / "letters"))
    learned = pack.of(TRAIN)
    monkeypatch.setattr(type(model), "_text", lambda self, x, made: learned[int(made.sum()) % len(learned)])
    found = measure(model, Asked(samples=6, data=(pack.folder,)), lambda *told: None)
    copied = next(figure for figure in found.comparable if figure.key == "copied")
    assert copied.generated.value > 0.9
    assert copied.real is not None
    assert copied.real.value < 0.5


def test_however_a_cell_is_written_it_is_compared_as_the_model_understands_it(tmp_path: Path) -> None:
    import ornstein as package
    from ornstein.data.table import read_table
    from ornstein.evaluate.tables.columns import describe
    from ornstein.evaluate.tables.measure import typed

    model, frame = package.load(rows_bundle(tmp_path / "people")), people()
    frame.assign(age=frame["age"].astype(float)).to_csv(
        tmp_path / "floats.csv", index=False
    )  # as gaps make them
    read, made = typed(model, read_table(tmp_path / "floats.csv").frame), typed(model, frame)
    pd.testing.assert_frame_equal(read, made)
    assert {column.name: column.kind for column in describe(read)} == {
        "sex": "category", "age": "number", "height": "number", "job": "category",
    }  # fmt: skip
    nothing = typed(model, frame.assign(height=None, job=None))
    assert nothing[["height", "job"]].isna().all(axis=None)


@pytest.mark.slow
def test_rows_are_set_beside_learned_and_unseen_ones(ornstein: Command, tmp_path: Path) -> None:
    bundle, out = rows_bundle(tmp_path / "people"), tmp_path / "out"
    both, learned = tmp_path / "both.csv", tmp_path / "learned.csv"
    people(120).to_csv(learned, index=False)
    pd.concat([people(120), people(400).iloc[200:]]).to_csv(both, index=False)
    told = ornstein("evaluate", bundle, "--data", both, "--target", "sex", "--out", out)
    assert told.code == 0, told.err
    assert "Told from real" in told.out
    found = json.loads((out / "metrics.json").read_text())
    assert (
        found["figures"]["rows"]["shapes"]["generated"]["value"]
        < found["figures"]["rows"]["shapes"]["real"]["value"]
    )
    assert "<html" in (out / "report.html").read_text()
    assert "figures" in Bundle.open(bundle).metrics()
    few = ornstein("evaluate", bundle, "--data", learned, "--out", out)
    assert few.code == 2
    assert "held-out rows" in few.err


def test_what_is_missing_is_one_line(ornstein: Command, letters: Path, tmp_path: Path) -> None:
    bundle = rows_bundle(tmp_path / "people")
    other = tmp_path / "other.csv"
    pd.DataFrame({"a": [1]}).to_csv(other, index=False)
    for arguments, said in [
        ((bundle,), "name the table: --data FILE"),
        ((bundle, "--data", other), "the table has no column"),
        ((letters,), "is not a pack of text"),
    ]:
        told = ornstein("evaluate", *arguments, "--out", tmp_path / "out")
        assert told.code in (1, 2)
        assert said in told.err
        assert told.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
