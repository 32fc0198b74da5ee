"""``ornstein records``: verify, show, export, erase from and prune the log of requests and decisions."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.cli.times import moment

if TYPE_CHECKING:
    from ornstein.guard.records import Entry

app = typer.Typer(
    name="records", no_args_is_help=True, help="Verify, read and erase from the log of requests."
)

Folder = Annotated[Path | None, typer.Option(help="Of the log; yours, if left out.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Since = Annotated[str | None, typer.Option(help="From this time on: 2026-02-03 or 2026-02-03T04:05, UTC.")]
Until = Annotated[str | None, typer.Option(help="Before this time.")]


class Format(StrEnum):
    """What an export is written as."""

    jsonl = "jsonl"
    csv = "csv"


@app.command()
def verify(
    folder: Folder = None,
    anchor: Annotated[
        str | None, typer.Option(help="NUMBER:HASH as `show` printed it, noted elsewhere: finds an old copy.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every line, their order and the log's end; code 1 where something is not as it was written."""
    from ornstein.guard.records import default_folder
    from ornstein.guard.records import verify as check

    problems = check(folder or default_folder(), _anchor(anchor))
    if as_json:
        listed = [{"file": p.file, "line": p.line, "what": p.what, "crash": p.crash} for p in problems]
        typer.echo(json.dumps({"ok": not problems, "problems": listed}))
    else:
        for problem in problems:
            typer.echo(str(problem))
        if not problems:
            typer.echo("the records are as they were written")
    raise typer.Exit(1 if problems else 0)


@app.command()
def show(
    request: Annotated[str | None, typer.Argument(help="A request's id; the latest, if left out.")] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="Of the latest entries.")] = 10,
    folder: Folder = None,
) -> None:
    """Show a request's entries, or the latest ones and the anchor to note elsewhere."""
    from collections import deque

    from ornstein.errors import OrnsteinError
    from ornstein.guard.records import RecordLog

    log = RecordLog.existing(folder)
    if request is not None:
        found = list(log.read(lambda entry: entry.request == request))
        if not found:
            raise OrnsteinError(f"no request {request!r} in {log.folder}")
        for entry in found:
            typer.echo(json.dumps(entry.model_dump(mode="json", exclude_defaults=True), indent=1))
        return
    for entry in deque(log.read(), number):
        typer.echo(_line(entry))
    typer.echo("{} {}:{}".format("anchor", *log.tip()))


@app.command()
def export(
    form: Annotated[
        Format, typer.Option("--format", help="jsonl: as they stand; csv: a table.")
    ] = Format.jsonl,
    since: Since = None,
    until: Until = None,
    request: Annotated[str | None, typer.Option(help="Only this request's entries.")] = None,
    out: Annotated[Path | None, typer.Option(help="A file; else they are printed.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    folder: Folder = None,
) -> None:
    """Write entries for other programs, with what is personal where it is still kept."""
    from ornstein.guard.records import default_folder
    from ornstein.guard.records.export import jsonl, table
    from ornstein.guard.records.log import read
    from ornstein.output import refuse_existing, write

    if out is not None:
        refuse_existing(out, force)
    found = read(folder or default_folder(), _within(since, until, request))
    lines = jsonl(found) if form is Format.jsonl else table(found)
    if out is None:
        sys.stdout.writelines(lines)
    else:
        write(out, "".join(lines).encode(), force)
        typer.echo(str(out))


@app.command()
def erase(
    request: Annotated[str | None, typer.Argument(help="A request's id.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Every request with this prompt, kept in clear or as a hash.")
    ] = None,
    before: Annotated[str | None, typer.Option(help="Everything before this time.")] = None,
    reason: Annotated[str, typer.Option(help="Stays in the log for ever: nothing personal.")] = ...,  # type: ignore[assignment]
    folder: Folder = None,
) -> None:
    """Erase prompts, seeds and other personal data of some entries; that it was done, and why, stays."""
    from ornstein.guard.records import RecordLog

    log = RecordLog.existing(folder)
    count = log.erase(reason, request=request, prompt=prompt, before=moment(before) if before else None)
    typer.echo(
        f"erased what was personal in {count} entries; copies and backups elsewhere are yours to erase"
    )


@app.command()
def prune(
    policy: Annotated[Path | None, typer.Option(help="The policy that says how long; that in force.")] = None,
    folder: Folder = None,
) -> None:
    """Erase what is older than the policy keeps; the log does so itself once a day."""
    from ornstein.errors import OrnsteinError
    from ornstein.guard.policy import Policy
    from ornstein.guard.records import RecordLog

    kept = Policy.find(policy).records
    if kept is None:
        raise OrnsteinError(
            "the policy keeps no records, so it does not say for how long: erase with --before"
        )
    payloads, whole = RecordLog.existing(folder, kept).prune()
    typer.echo(f"erased what was personal in {payloads} entries, and {whole} entries whole")


def _anchor(text: str | None) -> tuple[int, str] | None:
    from ornstein.errors import UsageError

    if text is None:
        return None
    number, _, digest = text.partition(":")
    if not (number.isdecimal() and len(number) < 16 and len(digest) == 64):
        raise UsageError("--anchor takes NUMBER:HASH, as `ornstein records show` prints it")
    return int(number), digest


def _within(since: str | None, until: str | None, request: str | None) -> Callable[[Entry], bool]:
    from ornstein.guard.records.entry import stamp

    first, end = (stamp(moment(text)) if text else None for text in (since, until))

    def wanted(entry: Entry) -> bool:
        early, late = first is not None and entry.time < first, end is not None and entry.time >= end
        return not early and not late and (request is None or entry.request == request)

    return wanted


def _line(entry: Entry) -> str:
    """An entry for people: number, time, kind, request, and what was decided."""
    from ornstein.guard.decision import strictest

    said = strictest(entry.decisions) if entry.decisions else ""
    parts = [f"{entry.sequence:>6}", entry.time, f"{entry.kind:<9}", entry.request or "", said, entry.note]
    return " ".join(part for part in parts if part)
