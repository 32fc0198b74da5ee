"""Documents: whole, valid, true to the bundle, and closed to what strangers write into them."""

from __future__ import annotations

import json
import random
import re
import shlex
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import mlcroissant
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ornstein.bundle import CARD, HEADER, MANIFEST, METRICS, Bundle
from ornstein.card import card_text
from ornstein.codec.pixels import PixelCodec
from ornstein.data import manifest as manifests
from ornstein.data.manifest import Row
from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.documents import croissant, cyclonedx, model_card, spdx, technical
from ornstein.guard.documents.about import About
from ornstein.guard.documents.build import INDEX, KINDS, build
from ornstein.guard.documents.facts import Known, gather
from ornstein.guard.documents.training_summary import IMAGES, TOKENS, band
from ornstein.guard.policy import SHIPPED, Policy
from ornstein.hashes import sha256
from ornstein.recipes.imported import ImportedNetwork, ImportedProcess, ImportedRecipe, NoCondition, Source
from ornstein.recipes.recipe import SamplingSection
from ornstein.saving import save_imported
from ornstein.shelf import find
from tests.small import Command, bundle, grey, ornstein, random_model, rows, text_recipe

__all__ = ["bundle", "grey", "ornstein"]

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6, "count": 100}
EVIL = (
    "<script>alert(1)</script> ![x](http://x/y.png) [a](javascript:b) | &lt;i &#60; ~~s~~ |\n\n"
    "# Heading\n- item `code` *x* **y**"
)


def filled() -> dict[str, Any]:
    """An about file in which every key says something found nowhere else."""
    sources = ("public", "licensed", "private", "crawled", "user", "services", "synthetic", "other")
    texts = ("content", "languages", "characteristics", "reservations", "illegal_content", "processing")
    risks = About.model_json_schema()["properties"]["risks"]["propertyNames"]["enum"]
    return {
        "provider": {key: f"the {key} of the provider" for key in ("name", "contact", "address", "representative")},
        "model": {
            "version": "7.3", "date": date(2026, 9, 1), "url": "https://example.org/emoji", "licence": "apache-2.0",
            "distribution": "by post", "intended": ["greeting cards", "stickers"], "out_of_scope": ["passports"],
            "acceptable_use": "be kind", "depends_on": "nobody else",
        },
        "data": {
            **{key: {"used": True, "description": f"described {key}"} for key in sources},
            **{key: f"said of {key}" for key in texts}, "until": date(2026, 5, 4), "signatory": True,
        },
        "training": {
            "kilowatt_hours": 1.25, "how": "read from a meter", "hardware": "two old cores",
            "rationale": "it was quick", "adversarial": "three friends tried",
        },
        "risks": {name: f"what remains of {name}" for name in risks},
    }  # fmt: skip


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of an about file with its value; a kind of source and a list count as one key."""
    for name, value in values.items():
        where = f"{path}.{name}" if path else name
        if isinstance(value, dict) and "used" not in value:
            yield from leaves(value, where)
        else:
            yield where, value


def known(folder: Path, about: Any = None, evidence: tuple[Path, ...] = ()) -> Known:
    about = About.model_validate(about) if isinstance(about, dict) else about
    return gather(Bundle.open(folder), about=about, policy=Policy.read(SHIPPED), evidence=evidence)


def texts(folder: Path) -> dict[str, str]:
    return {f.name: f.read_text(encoding="utf-8") for f in sorted(folder.iterdir()) if f.suffix != ".parquet"}


def shape(markdown: str) -> list[tuple[str, str]]:
    """A document's structure as readers' programs see it, without its words."""
    return [
        (token.type, child.type)
        for token in MARKDOWN.parse(markdown)
        for child in [token, *(c for c in token.children or () if c.type not in ("text", "softbreak"))]
    ]


def words(markdown: str) -> list[str]:
    """What readers see: the text of each line or cell."""
    lines = [token.children or () for token in MARKDOWN.parse(markdown) if token.type == "inline"]
    return [
        "".join(child.content for child in line if child.type in ("text", "text_special")) for line in lines
    ]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with a manifest and the figures of an evaluation."""
    metrics = {
        "figures": {"Scorer": {"fdr": {"generated": FIGURE, "better": "lower"}},
                    "pictures": {"style": {"generated": FIGURE, "real": FIGURE, "better": "higher"}}},
        "settings": {"steps": 4, "sampler": "ddim"}, "held against": {"pack": "toys"},
        "copying": {"Scorer": {"flagged": FIGURE, "expected": FIGURE}},
        "cost of a thousand": {"watt_hours": 1.5, "energy_is_measured": False, "peak_megabytes": 900.0},
    }  # fmt: skip
    training = {"seen": 1234, "seconds": 7200.0, "flops": 3e15, "started from": "f" * 64}
    folder = tmp_path_factory.mktemp("measured") / "toys"
    return random_model(text_recipe("toys")).save(folder, manifest=rows(), metrics=metrics, training=training)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a published checkpoint: nothing is known of its training."""
    recipe = ImportedRecipe(
        name="found", source=Source(name="somebody/found", revision="1" * 40, pipeline="DDPMPipeline",
                                    scheduler="DDPMScheduler", licences={"README.md": "openrail <b>"}),
        condition=NoCondition(), codec=PixelCodec(channels=3), process=ImportedProcess(),
        network=ImportedNetwork(family="unconditional", network="UNet2DModel", size=16, multiple=2, smallest=16,
                                largest=64),
        sampling=SamplingSection(size=16),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("imported") / "found"
    save_imported(folder, recipe, {"model_index.json": b"{}"}, lambda part: 42, dtype="float32", metrics={})
    return folder


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


def evil_about(text: str) -> dict[str, Any]:
    """The filled about file with a text in place of every text."""

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: put(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [put(inner) for inner in value]
        return text if isinstance(value, str) and not value.startswith("https:") else value

    return put(filled())


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.just(EVIL),
        st.text(st.sampled_from("#*_`<>[]()!|&;:-+=~\\\"'/ \n\t1.aé—表"), min_size=1, max_size=60),
    )
)
def test_no_text_of_the_provider_is_markup(text: str, measured: Path, tmp_path: Path) -> None:
    if not text.strip():
        return
    pages = [kind.files for kind in KINDS.values()]
    plain, evil, shown = (
        known(measured, evil_about("QXQ")),
        known(measured, evil_about(text)),
        " ".join(text.split()),
    )
    for files in pages:
        for name, make in files.items():
            if name.endswith(".md"):
                a, b = (_body(make(one) or "") for one in (plain, evil))
                assert shape(a) == shape(b), name
                assert [line.replace("QXQ", shown) for line in words(a)] == words(b), name
    for kind in (cyclonedx, spdx, model_card):
        file = tmp_path / "tried"
        file.write_text(kind.text(evil), encoding="utf-8")
        kind.validate(file)


def _body(markdown: str) -> str:
    """A card without its header: that is YAML."""
    return markdown.split("\n---\n", 1)[1] if markdown.startswith("---\n") else markdown


def test_no_name_in_a_bundle_is_markup(tmp_path: Path) -> None:
    def saved(name: str, text: str) -> Known:
        row = Row(id="a", sha256="0" * 64, licence=text, holder=text, source=text, split="train", concept=text,
                  style=text, variant=0, captions=(text,), group=text, gender=text)  # fmt: skip
        recipe = text_recipe().model_copy(update={"name": text})
        metrics = {
            text: text,
            "nested": {text: 1.0},
            "figures": {text: {text: {"generated": FIGURE, "better": "lower"}}},
        }
        return known(random_model(recipe).save(tmp_path / name, manifest=[row], metrics=metrics))

    plain, evil = saved("plain", "plain"), saved("evil", EVIL)
    for files in (kind.files for kind in KINDS.values()):
        for name, make in files.items():
            if name.endswith(".md"):
                assert shape(_body(make(plain) or "")) == shape(_body(make(evil) or "")), name
    assert shape(card_text(plain.bundle.facts, plain.metrics)) == shape(
        card_text(evil.bundle.facts, evil.metrics)
    )
    build(evil, tmp_path / "out")  # every validator still agrees


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("provider: {nam: x}", 2, "did you mean 'name'"),
        ("provider: {name: ''}", 2, "provider.name"),
        ("provider: {name: 3}", 2, "provider.name"),
        ("provider: {name: x}\nprovider: {name: y}", 1, "stands twice"),
        ("risks: {copyin: x}", 2, "copying"),
        ("model: {date: tomorrow}", 2, "model.date"),
        ("model: {url: 'javascript:alert(1)'}", 2, "model.url"),
        ("model: {url: 'https://a/\"><script>'}", 2, "model.url"),
        ("training: {kilowatt_hours: -1}", 2, "kilowatt_hours"),
        ("training: {kilowatt_hours: .inf}", 2, "kilowatt_hours"),
        ("data: {public: true}", 2, "data.public"),
        ('provider: {name: "evil \\u202Egnp.exe"}', 2, "invisible"),
        ('provider: {name: "a\\u0000b"}', 2, "invisible"),
        ("a: &a [x,x,x]\nb: &b [*a,*a,*a]\nprovider: {name: [*b,*b]}", 1, "aliases"),
        ("- x", 1, "mapping"),
        ("", 1, "mapping"),
        ("[" * 5000, 1, "YAML"),
        ("!!python/object/apply:os.system [true]", 1, "YAML"),
        ("\x00", 1, "YAML"),
        ("{[1, 2]: 3}", 1, "YAML"),
        ("provider: {name: " + "x" * 5000 + "}", 2, "provider.name"),
        ("x" * (2 << 20), 1, "larger"),
    ],
)  # fmt: skip
def test_a_hostile_about_file_is_refused_in_one_line(
    text: str, code: int, told: str, grey: Path, tmp_path: Path, ornstein: Command
) -> None:
    (tmp_path / "about.yaml").write_text(text)
    said = ornstein("docs", "build", grey, "--about", tmp_path / "about.yaml", "--out", tmp_path / "out")
    assert said.code == code
    assert told in said.err
    assert said.err.count("\n") == 1
    assert len(said.err) < 600
    assert not (tmp_path / "out").exists()


def test_about_files_changed_at_random_never_crash_the_reader(tmp_path: Path) -> None:
    text, rng = yaml.safe_dump(filled(), allow_unicode=True).encode(), random.Random(3)
    read, told = 0, list[str]()
    for _ in range(300):
        changed = bytearray(text)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        (tmp_path / "about.yaml").write_bytes(bytes(changed))
        try:
            About.read(tmp_path / "about.yaml")
            read += 1
        except OrnsteinError as error:
            told.append(str(error))
    assert read
    assert told
    assert not any("\n" in line for line in told)


def test_the_command_builds_and_replaces_only_when_asked(
    grey: Path, tmp_path: Path, ornstein: Command
) -> None:
    out = tmp_path / "out"
    said = ornstein("docs", "build", grey, "--out", out, "--only", "risk-log", "--only", "spdx")
    assert said.code == 0
    assert said.out.splitlines()[-1] == str(out / INDEX)
    assert {f.name for f in out.iterdir()} == {INDEX, "spdx.json", "risk-log.md", "risk-log.json"}
    (out / "mine.txt").write_text("precious")
    again = ornstein("docs", "build", grey, "--out", out)
    assert again.code == 2
    assert "--force" in again.err
    assert (out / "mine.txt").exists()
    assert ornstein("docs", "build", grey, "--out", out, "--force").code == 0
    assert not (out / "mine.txt").exists()
    assert list(tmp_path.iterdir()) == [out]  # nothing half-written stays behind


def test_the_bundle_itself_is_never_replaced(grey: Path, ornstein: Command) -> None:
    for out in (grey, grey.parent):
        said = ornstein("docs", "build", grey, "--out", out, "--force")
        assert said.code == 2
        assert "holds the bundle" in said.err
    Bundle.open(grey)


def test_unknown_kinds_and_missing_files_are_told(grey: Path, tmp_path: Path, ornstein: Command) -> None:
    said = ornstein("docs", "build", grey, "--only", "risklog", "--out", tmp_path / "out")
    assert said.code == 2
    assert "did you mean 'risk-log'" in said.err
    for option in ("--about", "--evidence", "--policy"):
        said = ornstein("docs", "build", grey, option, tmp_path / "absent", "--out", tmp_path / "out")
        assert said.code == 1
        assert "absent" in said.err


def changed(bundle: Path, folder: Path, metrics: str = "{}", **header: Any) -> Path:
    """A copy with other metrics and header, its hashes right: made by somebody who means harm."""
    folder.mkdir()
    for file in bundle.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / METRICS).write_text(metrics)
    values = json.loads((folder / HEADER).read_text()) | header
    values["files"] = {name: sha256(folder / name) for name in values["files"]}
    (folder / HEADER).write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize(
    "figures", [3, [1], {"a": 3}, {"a": {"b": 3}}, {"a": {"b": {"generated": {"value": "x"}}}}]
)
def test_figures_that_are_none_are_told(figures: Any, grey: Path, tmp_path: Path) -> None:
    with pytest.raises(OrnsteinError, match="measure again"):
        known(changed(grey, tmp_path / "b", json.dumps({"figures": figures})))


@pytest.mark.parametrize(
    ("metrics", "header"),
    [
        ('{"cost of a thousand": {"watt_hours": 1' + "0" * 400 + "}}", {}),
        ('{"copying": ' * 80 + "1" + "}" * 80, {}),
        ('{"cost of a thousand": {"machine": "\\ud800"}}', {}),
        ("{}", {"training": {"flops": 10**400}}),
    ],
)
def test_measurements_that_cannot_be_are_refused(
    metrics: str, header: Any, grey: Path, tmp_path: Path
) -> None:
    with pytest.raises(OrnsteinError, match="no measurement"):
        known(changed(grey, tmp_path / "b", metrics, **header))


@pytest.mark.parametrize(
    "metrics",
    [
        '{"copying": 3}',
        '{"copying": {"a": 3}}',
        '{"copying": {"a": {"flagged": {"value": "x"}}}}',
        '{"settings": [1]}',
        '{"cost of a thousand": {"watt_hours": "x", "peak_megabytes": []}}',
        '{"held against": "x"}',
    ],
)
def test_measurements_of_another_make_are_passed_over(metrics: str, grey: Path, tmp_path: Path) -> None:
    made = build(known(changed(grey, tmp_path / "b", metrics)), tmp_path / "out")
    assert len(made) == len(KINDS)


def test_a_manifest_that_is_not_the_headers_is_refused(measured: Path, tmp_path: Path) -> None:
    manifests.write(rows()[1:], tmp_path / "other")
    folder = changed(measured, tmp_path / "b")
    (folder / MANIFEST).write_bytes((tmp_path / "other").read_bytes())
    header = json.loads((folder / HEADER).read_text())
    header["files"][MANIFEST] = sha256(folder / MANIFEST)
    (folder / HEADER).write_text(json.dumps(header))
    with pytest.raises(OrnsteinError, match="not the one named in the header"):
        known(folder)


def test_the_command_in_the_documents_is_one_that_runs(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ornstein: Command
) -> None:
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "small").symlink_to(bundle)
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path))
    text = technical.downstream(known(bundle)).markdown()
    (command,) = re.findall(r"ornstein (generate .*?)\. From Python", text)
    said = ornstein(*shlex.split(command), "--out", tmp_path / "made.png")
    assert said.code == 0, said.err
    assert (tmp_path / "made.png").exists()


def test_a_name_with_a_command_in_it_is_quoted_and_leads_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ornstein: Command
) -> None:
    recipe = text_recipe().model_copy(update={"name": "../../x; rm -rf y"})
    folder = random_model(recipe).save(tmp_path / "evil", manifest=rows())
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert ornstein("docs", "build", folder).code == 0
    log = tmp_path / "work" / "documents" / "evil" / "risk-log.md"
    assert "ornstein evaluate '../../x; rm -rf y'" in log.read_text()


def test_size_bands_are_the_templates() -> None:
    assert [band(n, IMAGES) for n in (0, 999_999, 10**6, 10**9 - 1, 10**9)] == [
        "less than 1 million images", "less than 1 million images", "1 million to 1 billion images",
        "1 million to 1 billion images", "more than 1 billion images",
    ]  # fmt: skip
    assert band(1e13, TOKENS) == "more than 10 trillion tokens"


def test_the_about_file_of_the_documentation_can_be_read_and_says_all_there_is(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "documents.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "about.yaml").write_text(block)
    read = About.read(tmp_path / "about.yaml")
    told = {key for key, _ in leaves(read.model_dump(exclude_none=True)) if not key.startswith("risks.")}
    assert told == {key for key, _ in leaves(filled()) if not key.startswith("risks.")}


def test_the_card_in_the_bundle_is_untouched(measured: Path, tmp_path: Path) -> None:
    before = sha256(measured / CARD)
    build(known(measured, filled()), tmp_path / "out")
    assert sha256(measured / CARD) == before
    with pytest.raises(UsageError):
        build(known(measured), tmp_path / "out")
