"""``ornstein verify``: what the credentials of files are worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.errors import OrnsteinError, UsageError, nearest

if TYPE_CHECKING:
    from ornstein.guard.credentials.verifying import Verdict

LARGEST = 512 << 20  # bytes; the whole file is read
REQUIRED = ("trusted",)

Files = Annotated[
    list[Path], typer.Argument(help="Pictures, texts, tables, sounds or films; may be several.")
]
Require = Annotated[str | None, typer.Option(help="trusted: exit with 1 unless every file is.")]
Anchors = Annotated[Path | None, typer.Option(help="PEM file of further roots to trust.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def verify(files: Files, require: Require = None, anchors: Anchors = None, as_json: Json = False) -> None:
    """Say who signed a file, whether it is unchanged, and how it was made; exit with 1 where it is not."""
    if require not in (None, *REQUIRED):
        raise UsageError(f"no requirement {require!r}{nearest(str(require), REQUIRED)}")
    from ornstein.guard.credentials.trust import Trust
    from ornstein.guard.credentials.verifying import verify as judge

    trust = Trust.find(anchors)
    rows, passed = [], True
    for file in files:
        try:
            verdict = judge(_read(file), trust, _beside(file))
        except OrnsteinError as error:
            passed = False
            rows.append({"file": str(file), "error": str(error)})
            _say(as_json, f"{file}: not read: {error}")
            continue
        passed &= verdict.state == "trusted" if require else verdict.state != "invalid"
        rows.append({"file": str(file), **verdict.model_dump(mode="json")})
        _say(as_json, "\n  ".join([f"{file}: {verdict.state}", *_lines(verdict)]))
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    if not passed:
        raise typer.Exit(1)


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST:
            raise OrnsteinError(f"it is larger than {LARGEST >> 20} MiB")
        return file.read_bytes()
    except OSError as error:
        raise OrnsteinError(error.strerror or str(error)) from error


def _beside(file: Path) -> bytes | None:
    """The credential that lies beside a file which has no place for one."""
    from ornstein.cli.rows import credential_file

    beside = credential_file(file)
    return _read(beside) if beside.is_file() else None


def _say(as_json: bool, text: str) -> None:
    if not as_json:
        typer.echo(text)


def _lines(verdict: Verdict) -> list[str]:
    """A verdict for people."""
    lines = list(verdict.reasons)
    if verdict.state == "invalid":
        return lines  # nothing else that it says is proven
    if verdict.development:
        lines.append("signed by this machine's development certificate, which proves nothing elsewhere")
    elif verdict.signer and verdict.state == "trusted":
        lines.append(f"signed by {verdict.signer}, certified by {verdict.issuer}")
    if verdict.time:
        lines.append(f"{verdict.time}, {'time-stamped' if verdict.stamped else 'by the clock of its signer'}")
    if verdict.actions:
        lines.append(", ".join(verdict.actions))
    if verdict.training:
        lines.append(f"training on it: {verdict.training}")
    if claim := verdict.claim:
        said = claim.model_dump(exclude_none=True, exclude={"version"})
        lines += [f"{name.replace('_', ' ')}: {value}" for name, value in said.items()]
    return lines
