"""The whole report: what it says of good rows and of copies, as a page and as JSON, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest

from ornstein.errors import UsageError
from ornstein.evaluate.compare import broken
from ornstein.evaluate.tables.columns import describe
from ornstein.evaluate.tables.page import headlines, render, write_report
from ornstein.evaluate.tables.report import report

from .made import independent, table

TRAIN, TEST, FRESH = table(500, 41), table(400, 42), table(500, 43)
COLUMNS = describe(TRAIN)


@pytest.fixture(scope="module")
def found():
    return {
        name: report(TRAIN, TEST, rows, COLUMNS, "ill", model=name)
        for name, rows in {"fresh": FRESH, "copy": TRAIN, "loose": independent(TRAIN, 0)}.items()
    }


def figure(one, key):
    return next(f for f in one.comparable if f.key == key)


def test_copies_look_real_and_are_found_out(found):
    copy, fresh = found["copy"], found["fresh"]
    for key in ("shapes", "trends", "tstr", "alpha-precision", "beta-recall"):
        assert figure(copy, key).generated.value == pytest.approx(figure(copy, key).real.value, abs=0.02)
    assert figure(copy, "membership").generated.low > 0.9 > 0.6 > figure(fresh, "membership").generated.value
    assert figure(copy, "copied").generated.value == 1 > figure(fresh, "copied").generated.value == 0
    assert "told training rows from others better than chance" in copy.statement
    assert "100.00% of the generated rows equal a training row" in copy.statement
    assert "did no better than chance" in fresh.statement


def test_no_statement_promises_privacy(found):
    for one in found.values():
        assert "no guarantee" in one.statement
        assert "nothing here is differential privacy" in one.statement


def test_what_is_lost_is_named(found):
    loose = found["loose"]
    assert figure(loose, "trends").generated.high < figure(loose, "trends").real.low
    assert figure(loose, "tstr-lost").generated.low > 0.2
    assert figure(loose, "shapes").generated.value == pytest.approx(
        figure(loose, "shapes").real.value, abs=0.02
    )


def test_a_report_is_json_without_gaps_and_a_gate_reads_it(found):
    text = json.dumps(found["fresh"].metrics(), allow_nan=False)
    held = json.loads(text)
    assert held["figures"]["rows"]["detection"]["generated"]["count"] == 800
    assert held["looked at"] == {"train": 500, "held-out": 400, "generated": 500}
    assert list(broken(["membership>0.9"], found["copy"]))
    assert not list(broken(["membership>0.9"], found["fresh"]))


def test_a_page_shows_the_worst_and_runs_nothing_that_data_brought(tmp_path, found):
    evil = "<script>alert(1)</script>"
    train, test, rows = (frame.rename(columns={"town": evil}) for frame in (TRAIN, TEST, FRESH))
    for frame in (train, test, rows):
        frame.loc[:40, "size"] = evil
    one = report(train, test, rows, describe(train), model=evil)
    page = render(one, evil)
    assert evil not in page
    assert "&lt;script&gt;" in page
    write_report(one, tmp_path / "report.html", "again")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert page.count("<svg") == 1 + 6  # pairs, and each column
    assert [name for name, _, _ in headlines(found["fresh"])][:2] == ["Columns alike", "Pairs alike"]


def test_the_same_seed_gives_the_same_report(found):
    assert report(TRAIN, TEST, FRESH, COLUMNS, "ill", model="fresh").metrics() == found["fresh"].metrics()


def test_dates_and_single_columns_are_measured():
    days = pd.date_range("2020-01-01", periods=400)
    train, test, rows = (pd.DataFrame({"day": np.random.default_rng(k).choice(days, 200)}) for k in range(3))
    one = report(train, test, rows, describe(train))
    assert one.facts["columns"] == {"day": "number"}
    assert figure(one, "shapes").generated.value > 0.85


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (FRESH[:1], "1 generated rows"),
        (FRESH.drop(columns="weight"), "lacks the column 'weight'"),
        (FRESH.assign(weight="heavy"), "'heavy', which is no number"),
        (FRESH.assign(weight=np.inf), "infinite"),
        (pd.concat([FRESH, FRESH["size"]], axis=1), "one name"),
        (FRESH.iloc[:0], "0 generated rows"),
    ],
)
def test_tables_that_cannot_be_compared_are_refused_in_a_line(rows, says):
    with pytest.raises(UsageError, match=says) as error:
        report(TRAIN, TEST, rows, COLUMNS, "ill")
    assert "\n" not in str(error.value)


def test_columns_are_told_by_name_or_refused():
    assert {c.name: c.kind for c in describe(TRAIN, {"height": "category"})}["height"] == "category"
    with pytest.raises(UsageError, match="did you mean 'height'"):
        describe(TRAIN, {"hieght": "number"})
    with pytest.raises(UsageError, match="cannot be a 'numbr'"):
        describe(TRAIN, {"height": "numbr"})
    with pytest.raises(UsageError, match="no columns"):
        describe(pd.DataFrame())
    wide = pd.DataFrame(np.zeros((60, 10_000)), columns=[f"c{k}" for k in range(10_000)])
    with pytest.raises(UsageError, match="10,000 columns are more"):
        report(wide, wide, wide, describe(wide))


def test_columns_without_a_single_value_do_no_harm():
    train, test, rows = (frame.assign(height=np.nan, town=None) for frame in (TRAIN, TEST, FRESH))
    one = report(train, test, rows, describe(train, {"height": "number"}), "ill")
    assert one.likeness.shapes["height"] == one.likeness.shapes["town"] == 1
    json.dumps(one.metrics(), allow_nan=False)
