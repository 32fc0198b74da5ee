"""What makes the contest of tables fair: the same gaps and types for all, no look at the test rows, no run twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.tables import rank, runs
from benchmarks.tables.data import Split
from benchmarks.tables.frames import ABSENT, complete, restore
from benchmarks.tables.rivals import METHODS
from benchmarks.tables.runs import Runs
from tests.evaluate.tables.made import table

from ornstein.evaluate.tables.columns import describe

TRAIN = table(300, 1).assign(
    height=lambda frame: frame["height"].round(1), town=lambda f: f["town"].mask(f.index % 9 == 0)
)
SPLIT = Split("made", TRAIN, table(200, 2), describe(TRAIN), "ill")


@pytest.mark.parametrize("method", ["copula", "smote", "independent", "copy"])
def test_every_rival_makes_rows_of_the_same_kind(method):
    if method == "smote":
        pytest.importorskip("imblearn")
    whole = complete(TRAIN, SPLIT.columns)
    assert not whole.frame.isna().any().any()
    for setting in METHODS[method].settings:
        made = restore(METHODS[method].fit(whole, "ill", 0, setting, 1.0)(250), TRAIN, SPLIT.columns)
        assert list(made) == list(TRAIN)
        assert len(made) == 250
        assert np.allclose(made["height"], made["height"].round(1))
        for name in ("size", "ill", "town"):
            assert set(made[name].dropna()) <= set(TRAIN[name].dropna())
        assert abs(made["income"].isna().mean() - TRAIN["income"].isna().mean()) < 0.12
        # SMOTE takes the commonest value among neighbours: what is rare becomes rarer.
        assert abs(made["town"].isna().mean() - TRAIN["town"].isna().mean()) < (
            0.13 if method == "smote" else 0.07
        )
        again = restore(METHODS[method].fit(whole, "ill", 0, setting, 1.0)(250), TRAIN, SPLIT.columns)
        pd.testing.assert_frame_equal(made, again)


def test_filling_gaps_and_bringing_them_back_changes_nothing():
    whole = complete(TRAIN, SPLIT.columns)
    assert "income" + ABSENT in whole.frame
    back = restore(whole.frame, TRAIN, SPLIT.columns).astype(object)
    pd.testing.assert_frame_equal(back.fillna("gap"), TRAIN.astype(object).fillna("gap"), check_dtype=False)


def test_the_copula_keeps_correlations_and_independent_columns_do_not():
    whole = complete(TRAIN, SPLIT.columns)
    real = TRAIN["height"].corr(TRAIN["weight"], method="spearman")
    for method, least, most in (("copula", real - 0.1, real + 0.1), ("independent", -0.15, 0.15)):
        made = METHODS[method].fit(whole, "ill", 3, METHODS[method].settings[0], 1.0)(1000)
        assert least < made["height"].corr(made["weight"], method="spearman") < most


def test_tuning_sees_training_rows_alone():
    inner = SPLIT.tuning
    assert len(inner.train) + len(inner.test) == len(TRAIN)
    pd.testing.assert_frame_equal(pd.concat([inner.train, inner.test], ignore_index=True), TRAIN)


def test_a_stopped_contest_goes_on(tmp_path: Path, monkeypatch):
    told: list[str] = []
    first = Runs(SPLIT, tmp_path, told.append).judged("copula", 0)
    assert len([line for line in told if "tune-" in line]) == len(METHODS["copula"].settings)
    assert first["setting"] in METHODS["copula"].settings
    monkeypatch.setattr(runs, "_rival", lambda *_: pytest.fail("fitted again"))
    assert Runs(SPLIT, tmp_path, told.append).judged("copula", 0) == first
    (tmp_path / "copula" / "seed-0.report.json").unlink()
    assert Runs(SPLIT, tmp_path, told.append).judged("copula", 0) == first  # judged anew, from the kept rows


def test_ranks_are_means_over_tables_and_figures_and_chance_wins_no_rank(tmp_path: Path):
    good = {key: 0.9 if higher else 0.4 for key, higher in rank.HIGHER.items()}
    bad = {key: 0.5 if higher else 0.8 for key, higher in rank.HIGHER.items()}
    noise = {**good, "membership": 0.3}  # below chance is chance
    for method, values in {"ctgan": bad, "tvae": good, "smote": noise}.items():
        figures = {
            key: {"generated": {"value": value}, "real": {"value": value}}
            for key, value in {**values, "copied": 0.0}.items()
        }
        file = tmp_path / "made" / method / "seed-0.report.json"
        file.parent.mkdir(parents=True)
        seconds = {"fit cpu": 1.0, "sample": 2.0}
        file.write_text(json.dumps({"figures": {"rows": figures}, "seconds": seconds}))
    text = rank.ranking(tmp_path, ["made"], 5)
    lines = {
        line.split(" | ")[0].strip("| "): line
        for line in text.split("## Mean rank")[1].split("## Seconds")[0].splitlines()
        if "|" in line
    }
    assert lines["tvae"].count("1.50") == lines["smote"].count("1.50") == len(rank.HIGHER) + 2
    assert lines["ctgan"].count("3.00") == len(rank.HIGHER) + 2
