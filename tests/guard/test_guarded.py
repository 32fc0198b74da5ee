"""A guarded model: refusals before anything is drawn, marks and signatures after, everything on record."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ornstein.data.atomic import new_file
from ornstein.errors import OrnsteinError
from ornstein.guard.credentials.stripping import without
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import verify
from ornstein.guard.decision import CheckerError, Decision, RefusedError
from ornstein.guard.records.log import RecordLog
from ornstein.guard.review import Reviews
from ornstein.model import Model
from ornstein.output import FileForm, read
from tests.guard.guarding import SEEN_IN_ALL, Guard, entries, guard, home
from tests.small import Command, bundle, model, ornstein

__all__ = ["bundle", "guard", "home", "model", "ornstein"]


def test_a_refused_prompt_draws_nothing_says_no_word_of_it_and_is_on_record(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = guard()
    monkeypatch.setattr(Model, "make", lambda *a, **k: pytest.fail("something was drawn"))
    with pytest.raises(RefusedError, match="rule sexual, policy test") as caught:
        guarded.generate(["a cat", "a n4k3d w0man"])
    assert "prompt 2 of 2" in str(caught.value)
    assert "n4k3d" not in str(caught.value)
    assert guarded.policy.hash[:10] in str(caught.value)
    first, second = [entry for entry in entries() if entry.kind == "request"]
    assert first.decisions == ()
    assert second.decisions[0].action == "deny"
    assert not any(b"n4k3d" in file.read_bytes() for file in RecordLog.existing().folder.iterdir())


@pytest.mark.parametrize(
    "settings",
    [
        {"prompts": "a cat", "negative": "naked woman", "guidance": 0.5},
        {"prompts": "[a cat|a naked woman]", "compose": True, "steps": 2},
        {"prompts": "a cat AND (naked woman:1.2)", "compose": True},
    ],
)
def test_what_is_drawn_towards_is_checked_wherever_it_stands(guard: Guard, settings: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="sexual"):
        guard().generate(**settings)


def test_what_is_drawn_away_from_is_not(guard: Guard) -> None:
    (answer,) = guard().generate("a cat", 1, negative="naked woman", guidance=2.0)
    assert answer.output is not None


def test_a_changed_prompt_is_drawn_and_disclosed(guard: Guard) -> None:
    rule = "{id: brand, words: [acme], action: transform, replace: plain, reason: a mark was left out}"
    (answer,) = guard(prompt=f"{{checkers: [], rules: [{rule}]}}").generate("an acme car", 1)
    assert answer.output is not None
    assert answer.output.record.request.prompt == "an plain car"
    assert answer.asked.prompt == "an acme car"
    assert answer.told == ("a mark was left out (brand): an plain car",)


def test_a_prompt_waits_until_a_person_permits_it(guard: Guard) -> None:
    rule = "{id: odd, words: [strange], action: review, reason: a person decides}"
    guarded = guard(prompt=f"{{checkers: [], rules: [{rule}]}}")
    with pytest.raises(RefusedError, match="held for review as"):
        guarded.generate("a strange cat", 1)
    (case,) = Reviews().waiting()
    Reviews().settle(case, permit=True)
    (answer,) = guarded.generate("a strange cat", 2)
    assert answer.output is not None


def test_a_picture_waits_and_goes_out_signed(guard: Guard, ornstein: Command, tmp_path: Path) -> None:
    guarded = guard(output=f"{{copies: null, checkers: [{SEEN_IN_ALL % 'review'}]}}")
    (answer,) = guarded.generate("a cat", 1)
    assert answer.output is None
    assert answer.case is not None
    out = tmp_path / "released.png"
    said = ornstein("review", "approve", answer.case, "--out", out, "--policy", tmp_path / "policy.yaml")
    assert said.code == 0, said.err
    assert verify(out.read_bytes(), Trust.find()).state == "trusted"
    assert read(out)[1].request == answer.asked
    assert Reviews().waiting() == []


def test_a_denied_picture_leaves_no_file(guard: Guard, tmp_path: Path) -> None:
    guarded = guard(output=f"{{copies: null, checkers: [{SEEN_IN_ALL % 'deny'}]}}")
    (answer,) = guarded.generate("a cat", 1)
    assert answer.output is None
    with pytest.raises(RefusedError, match="held back: a test of the filter"):
        guarded.save(answer, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
    outcome = [entry for entry in entries() if entry.kind == "outcome"]
    assert [entry.outputs for entry in outcome] == [()]


def test_a_check_that_breaks_down_lets_nothing_pass(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = guard(output=f"{{copies: null, checkers: [{SEEN_IN_ALL % 'deny'}]}}")

    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("ornstein.guard.pictures.opennsfw.OpenNsfw.scores", broken)
    with pytest.raises(CheckerError):
        guarded.generate("a cat", 1)
    sources = SimpleNamespace(least=lambda alpha: 0.99, check=broken)
    monkeypatch.setattr("ornstein.guard.outputs.Sources.open", lambda bundle: sources)
    with pytest.raises(CheckerError, match="search for copies"):
        guard(output="{checkers: []}").generate("a cat", 1)
    with pytest.raises(OrnsteinError, match="nosuch"):
        guard(output="{copies: null, checkers: [{checker: nosuch, label: x, deny: 0.5, reason: why}]}")


def test_a_model_that_names_its_pictures_needs_their_index(guard: Guard) -> None:
    with pytest.raises(OrnsteinError, match="no index of its sources"):
        guard(output="{checkers: []}")


def test_where_nothing_can_be_put_on_record_nothing_is_drawn(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = guard()
    assert guarded.records is not None
    head = guarded.records.folder / "head.json"
    head.write_bytes(b"")
    monkeypatch.setattr(Model, "make", lambda *a, **k: pytest.fail("something was drawn"))
    with pytest.raises(OrnsteinError):
        guarded.generate("a cat", 1)


def test_deterministic_samplers_carry_a_mark_and_others_none(guard: Guard) -> None:
    guarded = guard()
    marked, plain = guarded.generate(["a cat", "a cat"], [1, 1], sampler=["ddim", "ddpm"])
    assert marked.output is not None
    assert plain.output is not None
    assert marked.output.record.mark == guarded.publisher.mark(1)
    assert plain.output.record.mark is None
    for answer in (marked, plain):
        assert answer.output is not None
        again = guarded.replay(answer.output.record)
        assert again.output is not None
        assert again.output.encode(FileForm()) == answer.output.encode(FileForm())


def test_without_a_mark_pictures_are_the_bare_model_s(guard: Guard, model: Model) -> None:
    (answer,) = guard("publish: {watermark: null}\n").generate("a cat", 7)
    (bare,) = model.generate("a cat", 7)
    assert answer.output is not None
    np.testing.assert_array_equal(answer.output.array, bare.array)
    assert answer.output.record.policy is not None


def test_another_key_cannot_replay(guard: Guard, tmp_path: Path) -> None:
    (answer,) = guard().generate("a cat", 1)
    assert answer.output is not None
    (tmp_path / "own.key").write_bytes(bytes(range(32)))
    with pytest.raises(OrnsteinError, match="marked with another key"):
        guard("publish: {watermark: {key: own.key}}\n").replay(answer.output.record)


def test_the_prompt_stays_out_of_the_file_where_the_policy_says_so(guard: Guard, tmp_path: Path) -> None:
    guarded = guard("publish: {prompt: false}\n")
    (answer,) = guarded.generate("a perfectly singular okapi", 1)
    data = guarded.save(answer, tmp_path / "a.png").read_bytes()
    assert b"okapi" not in data
    verdict = verify(data, Trust.find())
    assert verdict.state == "trusted"
    assert verdict.claim is not None
    assert verdict.claim.policy == guarded.policy.hash


def test_a_file_on_record_is_known_by_its_hash(guard: Guard, tmp_path: Path) -> None:
    guarded = guard()
    (answer,) = guarded.generate("a cat", 1)
    path = guarded.save(answer, tmp_path / "a.webp")
    entry = RecordLog.existing().of_output(hashlib.sha256(path.read_bytes()).hexdigest())
    assert entry is not None
    assert entry.request == answer.id


def test_a_disk_that_fills_up_midway_keeps_whole_files_only(
    bundle: Path, ornstein: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [2]

    def full(target: Path) -> Any:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return new_file(target)

    monkeypatch.setattr("ornstein.output.new_file", full)
    out = tmp_path / "pictures"
    said = ornstein("generate", "cat", "-n", 4, "--seed", 1, "--model", bundle, "--out", out)
    assert said.code == 1
    assert "No space left on device" in said.err
    assert len(said.err.splitlines()) == 1
    files = sorted(out.iterdir())
    assert len(files) == 2
    assert all(verify(file.read_bytes(), Trust.find()).state == "trusted" for file in files)


def test_the_command_line_tells_and_exits_with_three(bundle: Path, ornstein: Command, tmp_path: Path) -> None:
    said = ornstein("generate", "undress her", "--model", bundle, "--out", tmp_path / "a.png")
    assert said.code == 3
    assert "rule forbidden" in said.err
    assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "a.png").exists()


def test_detect_names_the_signature_and_the_log(bundle: Path, ornstein: Command, tmp_path: Path) -> None:
    assert ornstein("generate", "a cat", "--model", bundle, "--out", tmp_path / "a.png").code == 0
    said = ornstein("detect", tmp_path / "a.png", "--model", bundle)
    assert "credential: signed by this machine's development certificate" in said.out
    assert "log: written here" in said.out
    with_more = tmp_path / "b.png"
    with_more.write_bytes(without((tmp_path / "a.png").read_bytes()))
    said = ornstein("detect", with_more, "--model", bundle)
    assert "credential" not in said.out
    assert "log" not in said.out
    assert "record: made by small" in said.out


def test_the_pattern_goes_into_files_that_have_room_and_comes_again_on_replay(
    guard: Guard, bundle: Path, ornstein: Command, tmp_path: Path
) -> None:
    guarded = guard()
    (answer,), (small,) = (guarded.generate("a cat", 1, size=size) for size in (64, 32))
    assert answer.output is not None
    assert small.output is not None
    assert small.output.record.second is None
    file = guarded.save(answer, tmp_path / "a.png")
    assert without(file.read_bytes()) != answer.output.encode(FileForm())
    policy, copy = tmp_path / "policy.yaml", tmp_path / "b.png"
    said = ornstein("replay", file, "--out", copy, "--model", bundle, "--policy", policy)
    assert (said.code, said.err) == (0, "identical, byte for byte, but for the signature\n")
    guard("publish: {watermark: {also: null}}\n")
    said = ornstein("replay", file, "--out", tmp_path / "c.png", "--model", bundle, "--policy", policy)
    assert said.code == 1
    assert "has a mark in its pixels, pattern of key" in said.err
    assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "c.png").exists()


def test_pictures_made_without_the_pattern_replay_without_it(
    guard: Guard, bundle: Path, ornstein: Command, tmp_path: Path
) -> None:
    guarded = guard("publish: {watermark: {also: null}}\n")
    (answer,) = guarded.generate("a cat", 1, size=64)
    file = guarded.save(answer, tmp_path / "a.png")
    guard()
    policy = tmp_path / "policy.yaml"
    said = ornstein("replay", file, "--out", tmp_path / "b.png", "--model", bundle, "--policy", policy)
    assert (said.code, said.err) == (0, "identical, byte for byte, but for the signature\n")


def test_a_picture_that_is_drawn_again_is_judged_by_itself(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ornstein.guard.outputs.Sources.open", lambda bundle: None)
    guarded = guard(output="{checkers: [], copies: {action: transform, alpha: 0.01, tries: 3}}")
    near = Decision(stage="output", action="transform", rule="copies", reason="too near")
    verdicts = iter(
        [[(near,), ()], [(near,)], [()]]
    )  # the first is too near, and too near again; then it is not
    seen: list[int] = []

    def check(pictures: list[np.ndarray]) -> list[tuple[Decision, ...]]:
        seen.append(len(pictures))
        return next(verdicts)

    monkeypatch.setattr(guarded.outputs, "check", check)
    first, second = guarded.generate("a cat", 1, 2)
    assert seen == [2, 1, 1]
    assert first.output is not None
    assert first.output.record.request.seed != 1
    assert second.output is not None
    assert second.output.record.request.seed == 2
    drawn = first.output.record.request.seed
    assert first.told == (f"too near (copies): seed 1 became {drawn}",)
