"""Tables on the command line: from a file to a bundle to rows; one line for each mistake, and nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.small import Command
from tests.tables.conftest import SMALL, known_table


@pytest.mark.slow
def test_from_a_file_to_rows(ornstein: Command, tmp_path: Path) -> None:
    file, run = tmp_path / "people.csv", tmp_path / "run"
    known_table(200).to_csv(file, index=False, sep=";")
    sets = [part for change in (*SMALL, "training.samples=3000") for part in ("--set", change)]
    trained = ornstein("train", file, "--out", run, "--column", "age=number", *sets)
    assert trained.code == 0, trained.err
    assert "columns are separated by ';'" in trained.err
    assert "made anew, never learned" in trained.err
    assert "ornstein generate --rows 1000" in trained.out
    made = ornstein(
        "generate",
        "--model",
        run / "bundle",
        "--rows",
        30,
        "--seed",
        1,
        "--where",
        "sex=F",
        "--out",
        tmp_path / "r.csv",
    )
    assert made.code == 0, made.err
    assert (pd.read_csv(tmp_path / "r.csv").sex == "F").all()
    record = json.loads((tmp_path / "r.csv.json").read_text())
    assert record["seed"] == 1
    assert record["where"] == ["sex=F"]
    holes = tmp_path / "holes.csv"
    pd.DataFrame({"sex": ["F", None], "height": [None, 180.5]}).to_csv(holes, index=False)
    filled = ornstein("impute", holes, "--model", run / "bundle", "--out", tmp_path / "f.csv")
    assert filled.code == 0, filled.err
    assert pd.read_csv(tmp_path / "f.csv")[["sex", "height"]].notna().all().all()


def test_mistakes_are_one_line_and_leave_nothing(ornstein: Command, bundle: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    out = tmp_path / "out"
    there = tmp_path / "there.csv"
    there.write_text("kept")
    model = ("--model", bundle)
    for arguments, said in [
        (("train", empty, "--out", out), "is empty"),
        (("train", tmp_path / "x.png", "--column", "a=number"), "belongs to a table"),
        (("generate", *model, "--rows", 5), "name the file"),
        (("generate", *model, "--rows", 5, "--out", tmp_path / "r.xls"), "is no table"),
        (("generate", *model, "--rows", 5, "--out", there), "exists already"),
        (("generate", *model, "--rows", 0, "--out", tmp_path / "r.csv"), "the number of rows"),
        (
            ("generate", *model, "--rows", 5, "--where", "agee>3", "--out", tmp_path / "r.csv"),
            "did you mean 'age'",
        ),
        (("generate", *model, "--where", "age>3"), "say how many rows"),
        (("impute", empty, *model, "--out", tmp_path / "r.csv"), "is empty"),
    ]:
        result = ornstein(*arguments)
        assert result.code == 2, arguments
        assert said in result.err
        assert result.err.count("\n") == 1
    assert there.read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.csv", "there.csv"]


@pytest.mark.parametrize("column", ["age=nummber", "age", "agee=number"])
def test_types_that_cannot_be_are_refused(ornstein: Command, tmp_path: Path, column: str) -> None:
    file = tmp_path / "people.csv"
    known_table(50).to_csv(file, index=False)
    result = ornstein("train", file, "--out", tmp_path / "run", "--column", column)
    assert result.code == 2
    assert not (tmp_path / "run").exists()
