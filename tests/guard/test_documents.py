"""Documents: whole, valid, and true to the bundle."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mlcroissant
import pytest

from ornstein.errors import OrnsteinError
from ornstein.guard.documents import croissant, cyclonedx, spdx
from ornstein.guard.documents.build import INDEX, KINDS, build
from ornstein.guard.policy import SHIPPED, Policy
from ornstein.hashes import sha256
from ornstein.shelf import find
from tests.guard.documented import (
    filled,
    imported,
    known,
    leaves,
    measured,
    texts,
)
from tests.small import bundle, grey, ornstein, rows

__all__ = ["bundle", "grey", "imported", "measured", "ornstein"]


@pytest.mark.parametrize("name", ["emoji", "fashion"])
def test_every_document_of_a_shipped_model_passes_its_validator(name: str, tmp_path: Path) -> None:
    made = build(known(find(name)), tmp_path / "out")
    assert {m.kind for m in made} == set(KINDS)
    assert all(m.verdict.startswith("valid") for m in made if KINDS[m.kind].validate)
    assert all(m.verdict == "no validator exists" for m in made if not KINDS[m.kind].validate)


@pytest.mark.parametrize("which", ["measured", "bundle", "grey", "imported"])
@pytest.mark.parametrize("about", [None, filled()], ids=["silent", "filled"])
def test_documents_are_valid_whatever_is_known(
    which: str, about: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(which)
    made = {m.kind: m.verdict for m in build(known(folder, about), tmp_path / "out")}
    without = {"croissant"} if which in ("grey", "imported") else set()
    for kind, verdict in made.items():
        if kind in without:
            assert verdict == "not made: not recorded in this bundle"
        elif KINDS[kind].validate:
            assert verdict.startswith("valid")


def test_what_nobody_told_is_called_missing_by_the_key_that_would_tell_it(
    measured: Path, tmp_path: Path
) -> None:
    optional = {"model.version", "model.url", "model.depends_on", "data.processing", "training.how"}
    build(known(measured), tmp_path / "silent")
    build(known(measured, filled()), tmp_path / "told")
    silent, told = (" ".join(texts(tmp_path / name).values()) for name in ("silent", "told"))
    for key, value in leaves(filled()):
        phrase = f"not stated: give {key} in --about FILE"
        assert (phrase in silent) == (key not in optional), key
        assert phrase not in told, key
        words = (
            [value["description"]]
            if isinstance(value, dict)
            else value
            if isinstance(value, list)
            else [value]
        )
        for word in words:
            said = {True: "Yes", 1.25: "1.25 kWh", "apache-2.0": "license: apache-2.0"}.get(word, str(word))
            assert said in told, key
            assert said not in silent or word is True, key
    assert "not stated" not in told


def test_all_documents_tell_the_same_figures(measured: Path, tmp_path: Path) -> None:
    found = known(measured, filled())
    build(found, tmp_path / "out")
    said, facts = texts(tmp_path / "out"), found.bundle.facts
    assert facts.data is not None
    for file in ("README.md", "training-data-summary.md", "risk-log.md", "bom.cdx.json"):
        assert found.bundle.fingerprint in said[file]
    for file in ("technical-documentation.md", "information-for-downstream-providers.md", "model-card.md"):
        assert facts.data.root in said[file]
        assert f"{facts.parameters:,}" in said[file]
    assert "3.00 x 10^15 floating-point operations" in said["technical-documentation.md"]
    assert "2.00 hours of working time" in said["technical-documentation.md"]
    assert (
        "less than 1 million images (3)" in said["training-data-summary.md"]
    )  # of four rows one is held out

    bom = json.loads(said["bom.cdx.json"])
    sets = [part for part in bom["components"] if part["type"] == "data"]
    counts = [{p["name"]: int(p["value"]) for p in s["data"][0]["contents"]["properties"]} for s in sets]
    assert sum(c["trained on"] for c in counts) == 3
    assert sum(c["pictures"] for c in counts) == 4
    assert {s["licenses"][0]["license"]["id"] for s in sets} == {"Apache-2.0", "CC-BY-4.0", "MIT"}
    model = bom["metadata"]["component"]
    assert model["hashes"][0]["content"] == sha256(measured / "model.safetensors")
    assert {d["ref"] for d in model["modelCard"]["modelParameters"]["datasets"]} == {
        s["bom-ref"] for s in sets
    }
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert [(m["type"], m["confidenceInterval"]["lowerBound"]) for m in metrics] == [
        ("fdr", "0.4"),
        ("style", "0.4"),
    ]

    graph = json.loads(said["spdx.json"])["@graph"]
    names = {e["spdxId"]: e.get("name") for e in graph if "spdxId" in e}
    (trained,) = (e for e in graph if e.get("relationshipType") == "trainedOn")
    assert {names[to] for to in trained["to"]} == {"Noto style", "flat style", "cat.png"}
    (tested,) = (e for e in graph if e.get("relationshipType") == "testedOn")
    assert {names[to] for to in tested["to"]} == {"Noto style"}


def test_the_croissant_loads_every_row_of_the_manifest(measured: Path, tmp_path: Path) -> None:
    build(known(measured), tmp_path / "out", ["croissant"])
    loaded = mlcroissant.Dataset(jsonld=str(tmp_path / "out" / "croissant.json")).records("pictures")
    found = [{key.removeprefix("pictures/"): value for key, value in record.items()} for record in loaded]
    assert [
        {key: value.decode() if isinstance(value, bytes) else value for key, value in record.items()}
        for record in found
    ] == [{key: getattr(row, key) for key in croissant.COLUMNS} for row in rows()]


def broken(text: str, *path: Any, value: Any = None) -> str:
    """The JSON with one value changed, or left out."""
    values = json.loads(text)
    place = values
    for part in path[:-1]:
        place = place[part]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        (cyclonedx, ("specVersion",), None),
        (cyclonedx, ("components", 0, "licenses", 0, "license", "id"), "NO-SUCH-LICENCE"),
        (cyclonedx, ("metadata", "component", "modelCard", "mood"), "good"),
        (cyclonedx, ("metadata", "component", "hashes", 0, "content"), "abc"),
        (spdx, ("@graph", 1, "creationInfo"), None),
        (spdx, ("@graph", 1, "rootElement"), ["urn:nobody"]),
        (spdx, ("@graph", 1, "profileConformance"), ["magic"]),
        (spdx, ("@graph", 1, "mood"), "good"),
        (spdx, ("@graph", 0, "specVersion"), "three"),
        (croissant, ("recordSet", 0, "field", 0, "source", "fileObject"), {"@id": "nobody"}),
        (croissant, ("recordSet", 0, "field", 0, "source", "extract", "column"), "mood"),
        (croissant, ("recordSet", 0, "field", 0, "dataType"), None),
        (croissant, ("distribution", 0, "sha256"), "0" * 64),
        (croissant, ("distribution", 0, "contentUrl"), None),
    ],
)  # fmt: skip
def test_validators_refuse_what_is_wrong(
    kind: Any, path: Any, value: Any, measured: Path, tmp_path: Path
) -> None:
    found = known(measured)
    build(found, tmp_path / "out", ["croissant"])
    file = tmp_path / "out" / "tried.json"
    file.write_text(kind.text(found))
    kind.validate(file)
    file.write_text(broken(kind.text(found), *path, value=value))
    with pytest.raises(ValueError, match=r"."):
        kind.validate(file)


def test_without_a_validator_nothing_is_called_valid(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("mlcroissant", "cyclonedx.validation.json", "spdx_python_model"):
        monkeypatch.setitem(sys.modules, module, None)
    made = {m.kind: m.verdict for m in build(known(measured), tmp_path / "out")}
    assert {made[kind] for kind in ("croissant", "cyclonedx", "spdx")} == {
        "not validated: pip install 'ornstein[documents]'"
    }
    index = (tmp_path / "out" / INDEX).read_text()
    assert index.count("not validated") == 3
    assert index.count("valid, says") == 1  # the card's validator is part of the core


def test_the_index_names_every_file_with_its_hash(measured: Path, tmp_path: Path) -> None:
    build(known(measured), tmp_path / "out")
    index = (tmp_path / "out" / INDEX).read_text()
    files = {file.name for file in (tmp_path / "out").iterdir()} - {INDEX}
    for name in files:
        assert f"| {name} | {sha256(tmp_path / 'out' / name)} |" in index
    assert Policy.read(SHIPPED).hash in index


def test_the_same_bundle_on_the_same_day_gives_the_same_bytes(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    for name in ("one", "two"):
        build(known(measured, filled()), tmp_path / name)
    assert texts(tmp_path / "one") == texts(tmp_path / "two")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790086400")
    build(known(measured, filled()), tmp_path / "next")
    assert texts(tmp_path / "one")["spdx.json"] != texts(tmp_path / "next")["spdx.json"]


def test_of_an_imported_model_only_its_folder_speaks(imported: Path, tmp_path: Path) -> None:
    build(known(imported), tmp_path / "out")
    said = texts(tmp_path / "out")
    assert "README.md of the published folder says: openrail &lt;b>" in said["technical-documentation.md"]
    assert said["technical-documentation.md"].count("not recorded") >= 3  # data, biases, compute
    assert "Imported without change from somebody/found" in said["technical-documentation.md"]
    assert "base_model: somebody/found" in said["model-card.md"]
    assert "at most 64 pixels a side" in said["information-for-downstream-providers.md"]
    assert "trained on" not in said["bom.cdx.json"]


def test_audits_stand_in_the_log_as_they_are_and_make_a_risk_measured(measured: Path, tmp_path: Path) -> None:
    audit = tmp_path / "bias.json"
    audit.write_text(
        json.dumps({"kind": "bias-audit", "total variation": 0.0123, "by": {"guidance 4": [1, 2]}, "x": None})
    )
    row = "| Outputs that favour or leave out groups of people | {} | not stated |"
    build(known(measured), tmp_path / "before", ["risk-log"])
    build(known(measured, evidence=(audit,)), tmp_path / "after")
    before, after = ((tmp_path / name / "risk-log.md").read_text() for name in ("before", "after"))
    assert row.format("not measured") in before
    assert "not measured; run: ornstein audit bias toys" in before
    assert row.format("measured") in after
    assert "not measured; run: ornstein audit bias toys" not in after
    for file in ("risk-log.md", "technical-documentation.md"):
        said = (tmp_path / "after" / file).read_text()
        assert "| total variation | 0.0123 |" in said
        assert "| by.guidance 4\\[1\\] | 2 |" in said
        assert sha256(audit) in said


def test_an_audit_without_a_kind_is_called_after_its_file(measured: Path, tmp_path: Path) -> None:
    (tmp_path / "bias.json").write_text('{"total variation": 0.5}')
    build(known(measured, evidence=(tmp_path / "bias.json",)), tmp_path / "out", ["risk-log"])
    log = (tmp_path / "out" / "risk-log.md").read_text()
    assert "| Outputs that favour or leave out groups of people | measured |" in log


NO_EVIDENCE = [
    *("", "[]", "{}", "3", "\0", "[" * 100_000, '{"a":' * 5000, '{"y":' * 60 + "1" + "}" * 60),
    *('{"kind": "x", "y": NaN', '{"y": NaN}', '{"y": 1e400}', '{"y": 1' + "0" * 400 + "}"),
    *('{"y": "\\ud800"}', '{"\\ud800": 1}'),
]


@pytest.mark.parametrize("text", NO_EVIDENCE)
def test_evidence_that_is_none_is_refused_in_one_line(measured: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "e.json").write_text(text)
    with pytest.raises(OrnsteinError) as caught:
        known(measured, evidence=(tmp_path / "e.json",))
    assert "\n" not in str(caught.value)


def test_large_evidence_is_shown_in_part_and_counted(measured: Path, tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text(json.dumps({"kind": "copies", **{f"k{n}": n for n in range(500)}}))
    build(known(measured, evidence=(tmp_path / "e.json",)), tmp_path / "out", ["risk-log"])
    assert "| 400 more | in e.json |" in (tmp_path / "out" / "risk-log.md").read_text()
