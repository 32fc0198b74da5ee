"""What a policy holds back until a person has looked at it: a folder with one file a case.

A case holds the prompt in clear, because somebody has to read it, in a folder that only its owner can open; settling
the case deletes it. What remains is a line in the records, and for prompts a permit that names them by a hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ornstein.config import Config, parse
from ornstein.data.atomic import new_file
from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.decision import Decision
from ornstein.record import Record
from ornstein.shelf import home

CASE, PICTURE, PERMIT = ".json", ".png", ".permit"


class Case(Config):
    """One thing that waits.

    Attributes:
        id: its name. stage: "prompt" or "output". held: time, ISO 8601, UTC.
        policy: hash of the policy that held it. prompt: in clear. decisions: why.
        record: of the picture, for one that was made; the picture lies beside it.
    """

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    stage: Literal["prompt", "output"]
    held: str
    policy: str
    prompt: str
    decisions: tuple[Decision, ...]
    record: Record | None = None


class Reviews:
    """The folder of held cases: under ORNSTEIN_HOME unless another is named."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home().parent / "review"

    def hold_prompt(self, policy: str, model: str, prompt: str, decisions: tuple[Decision, ...]) -> Case:
        """Hold a prompt, or find it held. Raises OrnsteinError where the disk refuses."""
        name = _name(policy, model, prompt)
        return self._write(_case(name, "prompt", policy, prompt, decisions), None)

    def hold_picture(self, policy: str, record: Record, file: bytes, decisions: tuple[Decision, ...]) -> Case:
        """Hold a picture, given as an unsigned PNG file. Raises OrnsteinError where the disk refuses."""
        name = _name(policy, record.model_dump_json(), "")
        return self._write(_case(name, "output", policy, record.request.prompt, decisions, record), file)

    def permitted(self, policy: str, model: str, prompt: str) -> bool:
        """Whether a person has let this prompt pass, under this very policy and for this model."""
        return (self.folder / f"{_name(policy, model, prompt)}{PERMIT}").is_file()

    def waiting(self) -> list[Case]:
        """All cases, oldest first. Raises OrnsteinError for one that was altered."""
        if not self.folder.is_dir():
            return []
        return sorted((self._read(file) for file in self.folder.glob(f"*{CASE}")), key=lambda case: case.held)

    def case(self, name: str) -> Case:
        """One case. Raises UsageError where there is none of that name."""
        file = self.folder / f"{name}{CASE}"
        if not name.isalnum() or not file.is_file():
            known = ", ".join(case.id for case in self.waiting()) or "none"
            raise UsageError(f"no case {name[:40]!r} waits for review; waiting: {known}")
        return self._read(file)

    def picture(self, case: Case) -> bytes:
        """The held picture's file, unsigned. Raises OrnsteinError."""
        try:
            return (self.folder / f"{case.id}{PICTURE}").read_bytes()
        except OSError as error:
            raise OrnsteinError(f"the picture of case {case.id} cannot be read: {error.strerror}") from error

    def settle(self, case: Case, permit: bool) -> None:
        """Delete a case; a permitted prompt passes from now on, until the policy changes."""
        try:
            if permit and case.stage == "prompt":
                _private(self.folder / f"{case.id}{PERMIT}", b"")
            for suffix in (PICTURE, CASE):
                (self.folder / f"{case.id}{suffix}").unlink(missing_ok=True)
        except OSError as error:
            raise OrnsteinError(f"cannot settle case {case.id}: {error.strerror}") from error

    def _read(self, file: Path) -> Case:
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            return parse(Case, values if isinstance(values, dict) else {})
        except (OSError, ValueError, RecursionError) as error:
            raise OrnsteinError(f"{file} is not what was held: it was altered or cut; delete it") from error

    def _write(self, case: Case, picture: bytes | None) -> Case:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if picture is not None:
                _private(self.folder / f"{case.id}{PICTURE}", picture)
            text = json.dumps(case.model_dump(mode="json"), indent=1, ensure_ascii=False)
            _private(self.folder / f"{case.id}{CASE}", text.encode())
        except OSError as error:
            raise OrnsteinError(
                f"cannot hold {case.id} for review in {self.folder}: {error.strerror}"
            ) from error
        return case


def _case(
    name: str, stage: Literal["prompt", "output"], policy: str, prompt: str, decisions: tuple[Decision, ...],
    record: Record | None = None,
) -> Case:  # fmt: skip
    held = datetime.now(UTC).isoformat(timespec="seconds")
    return Case(
        id=name, stage=stage, held=held, policy=policy, prompt=prompt, decisions=decisions, record=record
    )


def _name(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _private(file: Path, data: bytes) -> None:
    with new_file(file) as part:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
