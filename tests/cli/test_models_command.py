"""``ornstein models`` and ``ornstein doctor``: what is there, what it knows, whether it holds."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.small import Command


@pytest.fixture
def home(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's shelf with one good bundle and one that lost its weights."""
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path))
    shutil.copytree(bundle, tmp_path / "bundles" / "good")
    shutil.copytree(bundle, tmp_path / "bundles" / "bad")
    (tmp_path / "bundles" / "bad" / "model.safetensors").unlink()
    return tmp_path / "bundles"


def test_list_names_the_good_and_says_what_is_wrong_with_the_bad(ornstein: Command, home: Path) -> None:
    lines = {line.split()[0]: line for line in ornstein("models", "list").out.splitlines()}
    assert "32 px" in lines["good"]
    assert "model.safetensors is missing" in lines["bad"]
    rows = {row["name"]: row for row in json.loads(ornstein("models", "list", "--json").out)}
    assert rows["good"]["folder"] == str(home / "good")
    assert rows["good"]["parameters"] > 100_000
    assert "is missing" in rows["bad"]["error"]


def test_show_prints_the_card_and_as_json_everything(ornstein: Command, home: Path) -> None:
    assert ornstein("models", "show", "good").out.rstrip() == (home / "good" / "card.md").read_text().rstrip()
    known = json.loads(ornstein("models", "show", "good", "--json").out)
    assert known["licences"] == {"Apache-2.0": 1, "CC-BY-4.0": 1, "MIT": 1}
    assert known["holders"] == {"Google Inc": 1, "Ada | Co\nLtd": 1, "Studio": 1}
    assert known["metrics"] == {"R@5": 0.5}
    assert known["training"]["seen"] == 1234
    assert known["recipe"]["condition"]["length"] == 8
    assert len(known["fingerprint"]) == 64


def test_verify(ornstein: Command, home: Path) -> None:
    answer = json.loads(ornstein("models", "verify", "good", "--json").out)
    assert answer["ok"] is True
    assert answer["manifest"] == "manifest of 4 pictures holds"
    said = ornstein("models", "verify", "bad")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("ornstein: ")
    assert said.err.count("\n") == 1


def test_verify_reads_the_manifest_and_not_only_its_hash(ornstein: Command, home: Path) -> None:
    header = json.loads((home / "good" / "model.json").read_text())
    header["data"]["root"] = "0" * 64
    (home / "good" / "model.json").write_text(json.dumps(header))
    said = ornstein("models", "verify", "good")
    assert said.code == 1
    assert "the manifest is not the one named in the header" in said.err


def test_verify_without_the_data_extra(
    ornstein: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = ornstein("models", "verify", "good")
    assert said.code == 0
    assert "pip install 'ornstein[data]'" in said.out


def test_the_nearest_name(ornstein: Command, home: Path) -> None:
    said = ornstein("models", "show", "goood")
    assert said.code == 1
    assert said.err == "ornstein: no model 'goood'; did you mean 'good'?\n"


def test_doctor_says_what_it_found(ornstein: Command, home: Path) -> None:
    facts = json.loads(ornstein("doctor", "--json").out)
    assert facts["models"]["good"] == str(home / "good")
    assert facts["models"]["bad"].startswith("trouble: ")
    assert facts["speed"]["used"] in ("bfloat16", "float32")
    assert Path(facts["text encoder"]).is_dir()
    assert set(facts["versions"]) == {"ornstein", "python", "torch", "numpy"}
    text = ornstein("doctor").out
    assert "versions torch" in text
    assert "None" not in text
