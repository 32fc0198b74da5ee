"""Many at once through the guard: nothing is mixed up, lost or written twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import verify
from ornstein.guard.decision import RefusedError
from ornstein.guard.guarded import Guarded
from ornstein.guard.policy import Policy
from ornstein.guard.records import log
from ornstein.model import Model
from ornstein.output import record_of
from ornstein.record import FileForm
from ornstein.request import requests
from ornstein.serve.engine.engine import Engine
from ornstein.serve.stage import Stage

THREADS = 16


@pytest.fixture
def guarded(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guarded:
    """A guard at a home of its own, with a rule by which prompts wait for a person."""
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path))
    file = tmp_path / "policy.yaml"
    file.write_text(
        "version: 1\nname: threads\n"
        "prompt: {checkers: [], rules: [{id: odd, words: [zebra], action: review, reason: odd}]}\n"
        "input: {checkers: []}\noutput: {checkers: [], copies: null}\nrecords: {prompts: clear}\n"
    )
    return Guarded(Model.load(bundle), Policy.read(file))


def test_sixteen_threads_make_sign_and_record_what_each_asked_for(guarded: Guarded) -> None:
    engine, check = Engine(guarded.model), Stage(guarded.outputs.check)

    def work(k: int) -> tuple[str, int, bytes]:
        asked = requests(f"cow number {k}", 1, k, "", guarded.model.recipe.sampling)
        answers = guarded.make(asked, draw=engine.make, check=check)
        return f"cow number {k}", k, guarded.files(answers, FileForm())[0].data

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            made = list(pool.map(work, range(2 * THREADS)))
    finally:
        engine.close()
    for prompt, seed, data in made:
        request = record_of(data).request
        assert (request.prompt, request.seed) == (prompt, seed)
        assert verify(data, Trust.find()).state == "trusted"
    assert log.verify(guarded.records.folder) == []
    said = [entry.payload.prompt for entry in guarded.records.read(lambda entry: entry.kind == "outcome")]
    assert sorted(said) == sorted(prompt for prompt, _, _ in made)


def test_one_prompt_that_waits_for_a_person_is_one_case_whoever_asks(guarded: Guarded) -> None:
    asked = requests("a zebra", 1, 0, "", guarded.model.recipe.sampling)

    def work(_: int) -> str | None:
        with pytest.raises(RefusedError) as held:
            guarded.make(asked)
        return held.value.case

    with ThreadPoolExecutor(THREADS) as pool:
        cases = set(pool.map(work, range(2 * THREADS)))
    assert len(cases) == 1
    assert [case.id for case in guarded.reviews.waiting()] == list(cases)
