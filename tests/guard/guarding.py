"""A small model under a policy of one's own, and what stands on record of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ornstein.guard.guarded import Guarded
from ornstein.guard.policy import Policy
from ornstein.guard.records.log import RecordLog
from ornstein.model import Model

QUIET = "input: {checkers: []}\n"
SEEN_IN_ALL = "{checker: opennsfw, label: nsfw, %s: 0.0, reason: a test of the filter}"

Guard = Callable[..., Guarded]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and records of each test lie in a folder of its own."""
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path / "home"))


@pytest.fixture
def guard(model: Model, tmp_path: Path) -> Guard:
    """The small model under a policy: what `text` says over words alone."""

    def make(
        text: str = "", prompt: str = "{checkers: []}", output: str = "{checkers: [], copies: null}"
    ) -> Guarded:
        file = tmp_path / "policy.yaml"
        file.write_text(f"version: 1\nname: test\n{QUIET}prompt: {prompt}\noutput: {output}\n{text}")
        return Guarded(model, Policy.read(file))

    return make


def entries() -> list[Any]:
    return list(RecordLog.existing().read())
