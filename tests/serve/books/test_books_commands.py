"""The verbs that keep keys, books, costs and references."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ornstein.output import to_image
from ornstein.serve.books import Books, Made
from tests.serve.books.kept import CHARGE, SPENT, accepted, finished
from tests.small import bundle, ornstein

__all__ = ["bundle", "ornstein"]

Run = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    """Books of the user's own, at the places that are taken when none is named."""
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path))
    for name in ("ORNSTEIN_DATABASE", "ORNSTEIN_STORE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_key_is_made_listed_and_revoked(home: Path, ornstein):
    said = ornstein(
        "keys", "create", "studio", "--scope", "read", "--scope", "generate", "--pictures-per-day", 9
    )
    secret = said.out.strip()
    assert said.code == 0 and secret.startswith("orn_") and secret not in said.err
    with_json = json.loads(ornstein("keys", "create", "brief", "--days", 3, "--json").out)
    assert with_json["expires"] and with_json["scopes"] == ["generate", "edit", "read"]
    listed = ornstein("keys", "list").out
    assert secret not in listed and listed.count("works") == 2
    assert ornstein("keys", "revoke", "studio").code == 0
    states = {each["name"]: each["works"] for each in json.loads(ornstein("keys", "list", "--json").out)}
    assert states == {"studio": False, "brief": True}
    books = Books.open()
    assert (
        books.keys.find(secret) is None
        and books.keys.find(with_json["secret"]).limits.pictures_per_day is None
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("keys", "create", "x", "--scope", "reed"), 2, "did you mean 'read'"),
        (("keys", "revoke", "nobody"), 2, "ornstein keys list"),
        (("costs", "--by", "modell"), 2, "did you mean 'model'"),
        (("costs", "--since", "yesterday"), 2, "2026-02-03"),
        (("costs", "--json", "--csv"), 2, "not both"),
        (("books", "erase"), 2, "say what to erase"),
        (("books", "erase", "--request", "none"), 2, "nothing to erase"),
        (("books", "check", "--database", "mysql://x/y"), 2, "sqlite:///FILE"),
        (("drift", "measure", "emojo"), 1, "did you mean 'emoji'"),
        (("drift", "measure", "emoji"), 1, "ornstein drift reference"),
        (("drift", "reference", "emoji"), 2, "--prompts FILE or --served COUNT"),
        (("drift", "reference", "emoji", "--served", 64), 1, "in the books"),
        (("drift", "reference", "emoji", "--prompts", "nowhere.txt"), 1, "one a line"),
    ],
)
def test_mistakes_are_one_line(home: Path, ornstein, arguments: tuple, code: int, message: str):
    said = ornstein(*arguments)
    assert (said.code, said.out) == (code, "")
    assert message in said.err and said.err.count("\n") == 1


def test_costs_are_told_as_a_table_csv_and_json(home: Path, ornstein):
    books = Books.open()
    key, _ = books.keys.create("Annabel", ("read",))
    finished(books, "r", key=key.id, outputs=2)
    finished(books, "s", key="gone")
    books.erase(key="gone")
    table = ornstein("costs").out
    assert "Annabel" in table and "(erased)" in table and "100%" in table and "0.0020 USD" in table
    lines = json.loads(ornstein("costs", "--json", "--by", "key").out)
    assert [(line["key"], line["pictures"], line["joules"]) for line in lines] == [
        ("", 1, 40.0),
        (key.id, 2, 40.0),
    ]
    rows = list(csv.DictReader(io.StringIO(ornstein("costs", "--csv", "--by", "total").out)))
    assert len(rows) == 1 and rows[0]["evaluations"] == "32" and rows[0]["key"] == ""
    assert "no request" in ornstein("costs", "--since", "2030-01-01").out


def test_erasing_pruning_and_checking(home: Path, ornstein):
    books = Books.open()
    (picture,) = finished(books, "r")
    assert "files" in ornstein("books", "check").out
    path = home / "outputs" / picture.sha256[:2] / picture.sha256[2:4] / picture.sha256
    path.write_bytes(b"something else")
    found = ornstein("books", "check", "--json")
    assert found.code == 1 and json.loads(found.out)["damaged"] == [picture.sha256]
    assert json.loads(ornstein("books", "erase", "--request", "r", "--json").out)["files"] == 1
    assert not path.exists()
    finished(books, "old")
    assert (
        json.loads(ornstein("books", "prune", "--json").out)["requests"] == 1
    )  # the first of March is long past
    assert ornstein("books", "migrate").code == 0


@pytest.mark.slow
def test_drift_is_measured_from_what_was_served(home: Path, ornstein, bundle: Path):
    books, random = Books.open(), np.random.default_rng(0)
    name = json.loads((bundle / "model.json").read_text())["name"]

    def serve(prefix: str, red: int) -> None:
        for k in range(64):
            books.accept(accepted(f"{prefix}{k}", model=name))
            array = random.integers(0, 120, (16, 16, 4), np.uint8)
            array[..., 3], array[..., 0] = 255, array[..., 0] + red
            file = io.BytesIO()
            to_image(array).save(file, "PNG")
            digest = books.store.put(file.getvalue())
            books.finish(
                f"{prefix}{k}", "done", [Made(f"{prefix}o{k}", digest, "png", 16, 16, k)], (), SPENT, CHARGE
            )

    serve("a", 0)
    for k in range(6):
        books.accept(accepted(f"refused{k}", model=name))
        books.finish(f"refused{k}", "refused")
    said = ornstein("drift", "reference", bundle, "--served", 64)
    assert said.code == 0 and "64 pictures" in said.out
    serve("b", 0)
    same = json.loads(ornstein("drift", "measure", bundle, "--last", 64, "--json").out)
    assert same["kid"]["low"] < same["kid_within_reference"]["high"]
    serve("c", 130)
    other = json.loads(ornstein("drift", "measure", bundle, "--last", 64, "--json").out)
    assert other["kid"]["low"] > same["kid"]["high"]
    assert "more than then" in ornstein("drift", "measure", bundle, "--last", 64).out


def test_a_golden_sample_is_made_of_prompts(home: Path, ornstein, bundle: Path):
    prompts = home / "prompts.txt"
    prompts.write_text("\n".join(f"a red circle {k}" for k in range(64)))
    said = ornstein("drift", "reference", bundle, "--prompts", prompts)
    assert said.code == 0 and "a golden sample of prompts.txt" in said.out, said.err
