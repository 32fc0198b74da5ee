"""Rows over HTTP: JSON and files, conditions, gaps, the books, credentials, and wishes that cannot be met."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from ornstein.guard.credentials.verifying import verify
from tests.fields import people
from tests.serve.api.running import Running


def test_rows_come_as_json_and_as_the_same_file(mixed: Running) -> None:
    with mixed.http() as http:
        told = http.post("/v1/rows", json={"rows": 30, "seed": 3}).json()
        file = http.post("/v1/rows", json={"rows": 30, "seed": 3, "format": "csv"})
        assert file.headers["content-type"] == "text/csv; charset=utf-8"
        assert 'filename="rows.csv"' in file.headers["content-disposition"]
        assert told["columns"] == list(people().columns)
        assert len(told["data"]) == 30
        frame = pd.read_csv(io.StringIO(file.text))
        assert frame["age"].tolist() == [row["age"] for row in told["data"]]
        stored = http.get(f"/v1/outputs/{told['id']}/content")
        assert stored.content == file.content
        parquet = http.post("/v1/rows", json={"rows": 30, "seed": 3, "format": "parquet"}).content
        assert pd.read_parquet(io.BytesIO(parquet))["height"].tolist() == frame["height"].tolist()


def test_a_table_is_in_the_books_with_a_credential_that_holds_its_file(mixed: Running) -> None:
    with mixed.http() as http:
        told = http.post("/v1/rows", json={"rows": 5, "seed": 3, "where": ["sex=F"]}).json()
        assert {row["sex"] for row in told["data"]} == {"F"}
        facts = http.get(f"/v1/outputs/{told['id']}").json()
        assert (facts["kind"], facts["format"], facts["width"], facts["height"]) == ("rows", "csv", 4, 5)
        assert facts["settings"]["where"] == ["sex=F"]
        assert facts["record"]["where"] == ["sex=F"]
        assert facts["credential"]["state"] == "trusted"
        file = http.get(f"/v1/outputs/{told['id']}/content").content
        beside = http.get(f"/v1/outputs/{told['id']}/content?format=c2pa").content
        assert verify(file.replace(b"F", b"M", 1), mixed.service.trust, beside).state == "invalid"
        (line,) = [one for one in http.get("/v1/history").json()["data"] if one["id"] == told["request"]]
        assert line["outcome"] == "done"


def test_classes_are_balanced(mixed: Running) -> None:
    with mixed.http() as http:
        told = http.post("/v1/rows", json={"rows": 40, "seed": 1, "balance": "sex"}).json()
    counts = pd.Series([row["sex"] for row in told["data"]]).value_counts()
    assert counts["F"] == counts["M"] == 20


def test_gaps_are_filled_and_what_is_known_stays(mixed: Running) -> None:
    rows = [
        {"sex": "F", "age": 30, "height": None, "job": "cook"},
        {"sex": None, "age": 4, "height": 110.0, "job": None},
    ]
    with mixed.http() as http:
        filled = http.post("/v1/impute", json={"data": rows, "seed": 1})
    assert filled.status_code == 200, filled.text
    for before, after in zip(rows, filled.json()["data"], strict=True):
        assert all(after[name] is not None for name in before)
        assert all(after[name] == value for name, value in before.items() if value is not None)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"where": ["aeg>3"]}, "did you mean 'age'"),
        ({"where": ["age>900"]}, "age"),
        ({"where": ["age"]}, "age"),
        ({"balance": "height"}, "height"),
        ({"rows": 0}, "greater than or equal to 1"),
        ({"rows": 10**9}, "less than or equal to 100000"),
        ({"format": "xls"}, "format"),
        ({"model": "letters"}, "'letters' makes texts: ask at /v1/completions"),
        ({"row": 3}, "did you mean 'rows'"),
    ],
)
def test_what_cannot_be_meant_is_one_line(mixed: Running, changed: dict, message: str) -> None:
    with mixed.http() as http:
        reply = http.post("/v1/rows", json={"rows": 3, "seed": 1, **changed})
    assert reply.status_code == 400, reply.text
    assert message in reply.json()["error"]["message"]


def test_a_table_without_the_model_s_columns_has_no_gaps_to_fill(mixed: Running) -> None:
    with mixed.http() as http:
        reply = http.post("/v1/impute", json={"data": [{"x": 1}], "seed": 1})
        assert reply.status_code == 400
        assert "none of the model's columns" in reply.json()["error"]["message"]
        assert http.post("/v1/impute", json={"data": [], "seed": 1}).status_code == 400
        facts = http.get("/v1/models/people").json()
        assert [column["name"] for column in facts["columns"]] == list(people().columns)


def test_a_file_is_answered_again_by_its_token(mixed: Running) -> None:
    with mixed.http() as http:
        head = {"Idempotency-Key": "rows"}
        first, again = (
            http.post("/v1/rows", json={"rows": 4, "format": "csv"}, headers=head) for _ in range(2)
        )
    assert first.content == again.content
    assert again.headers["content-type"] == "text/csv; charset=utf-8"
