"""Pictures from pictures, and pictures on their way: looked at, recorded and signed like all others."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ornstein.control.source import Source
from ornstein.drawing import Previews
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import verify
from ornstein.guard.decision import Decision, RefusedError
from ornstein.guard.guarded import Guarded
from ornstein.guard.policy import Policy
from ornstein.guard.records.log import RecordLog
from ornstein.model import Model
from ornstein.output import FileForm
from ornstein.request import requests
from tests.guard.guarding import SEEN_IN_ALL, Guard, entries, guard, home
from tests.small import Command, bundle, model, ornstein

__all__ = ["bundle", "guard", "home", "model", "ornstein"]


def test_pictures_that_are_brought_and_what_is_made_of_them_are_on_record(
    bundle: Path, ornstein: Command, tmp_path: Path
) -> None:
    assert ornstein("generate", "a cat", "--model", bundle, "--out", tmp_path / "a.png").code == 0
    said = ornstein(
        "invert", tmp_path / "a.png", "--model", bundle, "--steps", 2, "--out", tmp_path / "noise"
    )
    assert said.code == 0, said.err
    back = (tmp_path / "noise" / "a-back.png").read_bytes()
    entry = RecordLog.existing().of_output(hashlib.sha256(back).hexdigest())
    assert entry is not None
    assert any(entry.payload and entry.payload.inputs for entry in entries())
    verdict = verify(back, Trust.find())
    assert verdict.state == "trusted"
    assert any("edited" in action for action in verdict.actions)


def test_a_picture_from_a_picture_is_looked_at_recorded_and_signed_as_edited(
    guard: Guard, model: Model, tmp_path: Path
) -> None:
    before = model.generate("dog", 3)[0].array
    guarded = guard()
    asked = requests("a cat", 1, 4, "", model.recipe.sampling)
    (answer,) = guarded.make(asked, sources=[Source(before, strength=0.5)])
    (file,) = guarded.files([answer], FileForm())
    verdict = verify(file.data, Trust.find())
    assert verdict.state == "trusted"
    assert verdict.actions[0] == "opened" and verdict.actions[1].startswith("edited")
    brought = hashlib.sha256(np.ascontiguousarray(before).tobytes()).hexdigest()
    assert answer.output is not None and answer.output.record.source is not None
    assert answer.output.record.source.picture == brought
    assert any(brought in entry.model_dump_json() for entry in entries())
    assert answer.spent.evaluations > 0 and answer.spent.guarded > 0


def test_a_picture_that_is_brought_can_be_refused_before_anything_is_drawn(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = SEEN_IN_ALL % "deny"
    file = tmp_path / "policy.yaml"
    file.write_text(
        f"version: 1\nname: test\nprompt: {{checkers: []}}\ninput: {{checkers: [{rule}]}}\n"
        "output: {checkers: [], copies: null}\n"
    )
    guarded = Guarded(model, Policy.read(file))
    before = model.generate("dog", 3)[0].array
    monkeypatch.setattr(Model, "make", lambda *a, **k: pytest.fail("something was drawn"))
    asked = requests("a cat", 1, 4, "", model.recipe.sampling)
    with pytest.raises(RefusedError):
        guarded.make(asked, sources=[Source(before, strength=0.5)])


def test_previews_pass_the_checks_of_finished_pictures(guard: Guard, model: Model) -> None:
    shown: list[tuple[int, int]] = []
    asked = requests("a cat", 2, 4, "", model.recipe.sampling, steps=6)
    deny = (Decision(stage="output", action="deny", rule="test"),)
    looked: list[int] = []

    def check(pictures: Any) -> list[tuple[Decision, ...]]:
        looked.append(len(pictures))
        return [deny if len(looked) <= 2 else () for _ in pictures]

    previews = Previews(2, lambda k, number, guess: shown.append((k, number)))
    answers = guard().make(asked, previews=previews, check=check)
    assert shown == [(1, 0), (1, 1)]  # two pictures make no batch: what was held back is the first one's
    assert all(answer.output is not None for answer in answers)


@pytest.mark.filterwarnings("ignore:this model was trained")
def test_what_stays_of_a_picture_stays_whatever_mark_the_rest_gets(guard: Guard, model: Model) -> None:
    before = np.full((64, 64, 4), 255, np.uint8)
    free = np.zeros((64, 64), bool)
    free[:, 32:] = True
    guarded = guard("publish: {watermark: {also: pattern}}")
    asked = requests("a cat", 1, 4, "", model.recipe.sampling, size=64)
    (answer,) = guarded.make(asked, sources=[Source(before, free, 1.0)])
    assert answer.output is not None and answer.output.record.second is not None
    (file,) = guarded.files([answer], FileForm())
    written = np.asarray(Image.open(io.BytesIO(file.data)))
    assert np.array_equal(written[:, :32], before[:, :32])
    assert not np.array_equal(written[:, 32:], np.asarray(answer.output.image)[:, 32:])
