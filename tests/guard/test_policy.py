"""The policy file: read strictly, hashed by what it says, never passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from ornstein.errors import OrnsteinError
from ornstein.guard.decision import ORDER, Decision, strictest
from ornstein.guard.policy import SHIPPED, Policy, where

LEAST = "version: 1\nname: mine\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "policy.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_shipped_policy_filters_signs_marks_traces_and_records() -> None:
    policy = Policy.read(SHIPPED)
    assert policy.prompt.rules
    assert policy.prompt.checkers
    assert policy.input.checkers
    assert policy.output.checkers
    assert policy.output.copies is not None
    assert policy.publish.credentials is not None
    assert policy.publish.watermark is not None
    assert policy.records is not None


def test_the_hash_is_of_what_it_says_not_of_how_it_is_written(tmp_path: Path) -> None:
    plain = Policy.read(written(tmp_path, LEAST))
    spelled = Policy.read(written(tmp_path, "# a comment\nname: mine\nversion: 1\nquotas: []\n"))
    assert plain.hash == spelled.hash
    assert len(plain.hash) == 64
    assert plain.hash != Policy.read(written(tmp_path, LEAST + "publish: {prompt: false}\n")).hash


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LEAST + "promt: {}\n", "did you mean 'prompt'"),
        (LEAST + "publish: {watermark: {kee: x}}\n", "publish.watermark.kee"),
        ("name: mine\n", "version"),
        ("version: 2\nname: mine\n", "version"),
        (LEAST + "name: twice\n", "stands twice"),
        (LEAST + "output: {copies: {alpha: 0.7}}\n", "alpha"),
        (LEAST + "output: {copies: {alpha: .nan}}\n", "alpha"),
        (LEAST + "prompt: {rules: [{id: a, reason: why, words: [x], action: transform}]}\n", "replace"),
        (LEAST + "prompt: {rules: [{id: a, reason: why, words: [x], replace: y}]}\n", "replace"),
        (LEAST + "prompt: {rules: [{id: a, reason: why}]}\n", "words or lists"),
        (
            LEAST + "prompt: {rules: [{id: a, reason: why, words: [x]}, {id: a, reason: why, words: [y]}]}\n",
            "two rules",
        ),
        (LEAST + "output: {checkers: [{checker: opennsfw, label: nsfw, reason: why}]}\n", "review or deny"),
        (LEAST + "quotas: [{attribute: gender, when: [person], shares: {female: 0.6, male: 0.6}}]\n", "sum"),
        (LEAST + "publish: {credentials: {time_stamp: {url: 'file:///etc'}}}\n", "url"),
        ("- a\n- list\n", "mapping"),
        ("a: [unclosed", "YAML"),
        ("!!python/object/apply:os.system ['true']", "YAML"),
        ("\0", "YAML"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(OrnsteinError) as caught:
        Policy.read(written(tmp_path, text))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_policy_leaves_out_stays_as_shipped(tmp_path: Path) -> None:
    shipped = Policy.read(SHIPPED)
    mine = Policy.read(written(tmp_path, LEAST + "output: {copies: {alpha: 0.01}}\nrecords: null\n"))
    assert mine.prompt == shipped.prompt
    assert mine.output.checkers == shipped.output.checkers
    assert mine.output.copies is not None
    assert mine.output.copies.alpha == 0.01
    assert mine.records is None
    assert Policy.read(written(tmp_path, LEAST + "prompt: {rules: []}\n")).prompt.rules == ()


def test_files_are_found_beside_the_policy_and_its_hash_travels(tmp_path: Path) -> None:
    text = LEAST + "publish: {watermark: {key: secret.key}}\n"
    hashes = set()
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        policy = Policy.read(written(tmp_path / name, text))
        assert policy.publish.watermark is not None
        assert policy.publish.watermark.key == tmp_path / name / "secret.key"
        hashes.add(policy.hash)
    assert len(hashes) == 1


def test_a_named_policy_is_never_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path))
    monkeypatch.delenv("ORNSTEIN_POLICY")
    assert where() == SHIPPED
    own = written(tmp_path, LEAST)
    assert where() == own
    monkeypatch.setenv("ORNSTEIN_POLICY", str(tmp_path / "absent.yaml"))
    with pytest.raises(OrnsteinError, match="cannot read the policy"):
        Policy.find()
    assert Policy.find(own).name == "mine"  # what is named in the call comes first


def test_the_strictest_rule_decides() -> None:
    decisions = [Decision(stage="prompt", action=action) for action in ORDER]
    for k in range(1, len(ORDER) + 1):
        assert strictest(decisions[:k]) == ORDER[k - 1]
        assert strictest(decisions[:k][::-1]) == ORDER[k - 1]
    assert strictest([]) == "allow"
