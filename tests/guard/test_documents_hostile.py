"""Documents are closed to what strangers write into them, and refuse what cannot be."""

from __future__ import annotations

import json
import random
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ornstein.bundle import CARD, HEADER, MANIFEST, METRICS, Bundle
from ornstein.card import card_text
from ornstein.data import manifest as manifests
from ornstein.data.manifest import Row
from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.documents import cyclonedx, model_card, spdx, technical
from ornstein.guard.documents.about import About
from ornstein.guard.documents.build import INDEX, KINDS, build
from ornstein.guard.documents.facts import Known
from ornstein.guard.documents.training_summary import IMAGES, TOKENS, band
from ornstein.hashes import sha256
from tests.guard.documented import (
    EVIL,
    FIGURE,
    filled,
    imported,
    known,
    leaves,
    measured,
    shape,
    words,
)
from tests.small import Command, bundle, grey, ornstein, random_model, rows, text_recipe

__all__ = ["bundle", "grey", "imported", "measured", "ornstein"]


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
