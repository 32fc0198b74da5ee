"""``ornstein generate``: from prompts to picture files."""

from __future__ import annotations

import json
import os
import re
import time
import unicodedata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ornstein.errors import UsageError

if TYPE_CHECKING:
    from ornstein.guard.answer import Answer
    from ornstein.guard.guarded import Guarded
    from ornstein.model import Model
    from ornstein.request import Request

BAR_AFTER = 2.0  # seconds

Prompts = Annotated[list[str] | None, typer.Argument(help="What to draw; may be several.")]
Count = Annotated[int, typer.Option("-n", "--number", help="Pictures of each prompt.")]
Seed = Annotated[
    int | None, typer.Option(help="Of the first picture; the next count up. Random if left out.")
]
Steps = Annotated[int | None, typer.Option(help="Sampler steps (the model's default).")]
Guidance = Annotated[float | None, typer.Option(help="How strongly the prompt steers; 1 is off.")]
SAMPLERS = (  # the registry's own names, which cannot be read here without loading torch
    "ddim, heun, dpmpp-2s, dpmpp-3s, dpmpp-2m, dpmpp-3m, unipc-3, deis-3, ipndm-4, ddpm, sde-dpmpp-2m, sa-solver, "
    "er-sde, heun-churn or restart; fitted, where `ornstein fit` made one of so many steps."
)
Sampler = Annotated[str | None, typer.Option(help=SAMPLERS)]
Negative = Annotated[str, typer.Option(help="What to move away from.")]
Name = Annotated[str, typer.Option("--model", help="A model's name or its folder.")]
Size = Annotated[int | None, typer.Option(help="Side in pixels.")]
Reuse = Annotated[
    int,
    typer.Option(help="Run the network's deep blocks at every so many steps only, 1 to 3; 1 is off."),
]
Compose = Annotated[
    bool,
    typer.Option(
        "--compose", help="Read prompts as composed ones: a AND b NOT c, part:1.2, (word:1.3), [a|b]."
    ),
]
Rule = Annotated[
    str | None, typer.Option(help="Of guidance: straight, rescaled, projected or zero-star (the model's).")
]
Schedule = Annotated[
    str | None, typer.Option(help="Of guidance: constant, linear, cosine or power-cosine (the model's).")
]
Background = Annotated[
    str | None, typer.Option(help="white, #rrggbb …; transparent if left out (JPEG: white).")
]
Out = Annotated[
    Path | None, typer.Option(help="A .png, .webp or .jpg file, or a folder; else the current folder.")
]
Named = Annotated[Path | None, typer.Option("--policy", help="A policy file (the one in force).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
Source = Annotated[
    Path | None, typer.Option(help="A picture to start from; its credential stays with what is made.")
]
Mask = Annotated[
    Path | None,
    typer.Option(help="With --source, as large: what is transparent is drawn anew, the rest stays."),
]
Strength = Annotated[
    float | None,
    typer.Option(help="With --source: share of the steps, above 0 to 1 (0.6; with --mask 1)."),
]
Length = Annotated[
    int | None, typer.Option(help="Of a text, in tokens, its prompt among them (the model's default).")
]
Block = Annotated[int | None, typer.Option(help="Tokens of a text that are written together.")]
Temperature = Annotated[
    float | None, typer.Option(help="Of a text: below 1 the likely, above 1 the unlikely.")
]
Rows = Annotated[
    Path | None,
    typer.Option("--prompts", help="A .csv, .jsonl or .parquet file of prompts, for a folder of pictures."),
]
Keep = Annotated[
    bool, typer.Option("--keep", help="With --prompts: carry further columns into the results' metadata.")
]
Format = Annotated[str, typer.Option("--format", help="With --prompts: png, webp or jpeg.")]
Cluster = Annotated[
    str | None, typer.Option(help="With --prompts: work on a Ray cluster: its address, or local.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
Number = Annotated[int | None, typer.Option("--rows", help="Of a table's model: how many rows.")]
Where = Annotated[
    list[str] | None, typer.Option(help="With --rows: what each row meets: age>60, sex=F, city=Rome|Oslo.")
]
Balance = Annotated[
    str | None, typer.Option(help="With --rows: a column whose values are to be equally frequent.")
]
AllowCopies = Annotated[
    bool, typer.Option("--allow-copies", help="With --rows: let rows pass that copy a training row.")
]
Workers = Annotated[int, typer.Option(help="With --cluster: how many processes make pictures.")]


def generate(
    prompts: Prompts = None,
    n: Count = 1,
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    sampler: Sampler = None,
    negative: Negative = "",
    model: Name = "emoji",
    size: Size = None,
    compose: Compose = False,
    rule: Rule = None,
    schedule: Schedule = None,
    reuse: Reuse = 1,
    source: Source = None,
    mask: Mask = None,
    strength: Strength = None,
    background: Background = None,
    out: Out = None,
    policy: Named = None,
    as_json: Json = False,
    force: Force = False,
    rows: Rows = None,
    keep: Keep = False,
    kind: Format = "png",
    cluster: Cluster = None,
    workers: Workers = 1,
    device: Device = "cpu",
    length: Length = None,
    block: Block = None,
    temperature: Temperature = None,
    number: Number = None,
    where: Where = None,
    balance: Balance = None,
    allow_copies: AllowCopies = False,
) -> None:
    """Make pictures from prompts, texts, or rows of a table, whatever the model makes.

    Several pictures also come as one grid, and a file of prompts becomes a folder of them.
    """
    from ornstein.cli import bulk, generate_text
    from ornstein.cli import rows as table_rows
    from ornstein.cli.pictures import read_source
    from ornstein.guard.guarded import Guarded
    from ornstein.guard.policy import Policy
    from ornstein.guard.rows import GuardedRows
    from ornstein.guard.texts import GuardedTexts
    from ornstein.loading import load
    from ornstein.model import Model
    from ornstein.output import file_form
    from ornstein.request import requests
    from ornstein.tables import TableModel
    from ornstein.texts import TextModel
    from ornstein.train.device import find_device

    if source is None and (mask is not None or strength is not None):
        raise UsageError("--mask and --strength need a picture to start from: --source FILE")
    rules, ready = Policy.find(policy), load(model, find_device(device))
    of_rows = {"rows": number, "where": where, "balance": balance, "allow-copies": allow_copies or None}
    if isinstance(ready, TableModel):
        refuse_options({"prompts": rows, "source": source, "size": size}, "a model of rows")
        asked_rows = table_rows.Asked(number, seed, tuple(where or ()), balance, steps, allow_copies)
        table_rows.generate_rows(GuardedRows(ready, rules), asked_rows, out, force, as_json)
        return
    refuse_options(of_rows, "a model of anything but rows")
    words = {"length": length, "block": block, "temperature": temperature}
    if isinstance(ready, TextModel):
        options = {"guidance": guidance, "size": size, "rule": rule, "schedule": schedule, "source": source,
                   "background": background, "negative": negative or None, "prompts": rows}  # fmt: skip
        refuse_options(options, "a model of text")
        generate_text.write(
            GuardedTexts(ready, rules), prompts, n, seed, {"steps": steps, "sampler": sampler, **words}, out, as_json,
            force,
        )  # fmt: skip
        return
    refuse_options(words, "a model of pictures")
    assert isinstance(ready, Model)
    if rows is None:
        bulk.refuse_without_file(prompts, keep=keep, format=kind != "png", cluster=cluster)
    else:
        bulk.refuse_with_file(out, prompts, force, source)
    guard = Guarded(ready, rules)
    settings: dict[str, Any] = {"steps": steps, "guidance": guidance, "sampler": sampler, "size": size}
    if source is not None and sampler is None:
        settings["sampler"] = ready.recipe.sampling.sampler  # fitted ones start from noise
    settings |= {"compose": compose, "rule": rule, "schedule": schedule, "reuse": reuse}
    if rows is not None and out is not None:
        look = file_form(Path(f"picture.{kind}"), background, ready.recipe.codec.channels)
        order = bulk.order(n, seed, {"negative": negative, **settings}, look, keep)
        team = bulk.Team(cluster, workers, model, device) if cluster else None
        bulk.bulk(guard, rows, out, order, team, as_json)
        return
    asked = requests(prompts or (), n, seed, negative, ready.recipe.sampling, **settings)
    channels = ready.recipe.codec.channels
    given = [read_source(source, mask, strength, asked[0].size, channels)] * len(asked) if source else ()
    _draw(guard, asked, given, out, background, n if prompts and prompts[1:] else None, force, as_json)


def _draw(
    guard: Guarded,
    asked: Sequence[Request],
    given: Sequence[Any],
    out: Path | None,
    background: str | None,
    columns: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Make pictures and write them, with their grid; raise RefusedError where any is held back."""
    from ornstein.guard.answer import held_back
    from ornstein.output import file_form

    started = time.perf_counter()
    files, sheet = targets(out, [(request.prompt, request.seed) for request in asked], force)
    form = file_form(files[0], background, guard.model.recipe.codec.channels)
    if background is None and form.background:
        note("JPEG has no transparency: the background is white")
    with warnings_told(), progress_bar() as progress:
        answers = guard.make(asked, sources=given, progress=progress)
    seconds = time.perf_counter() - started
    going = [(answer, file) for answer, file in zip(answers, files, strict=True) if answer.output]
    for answer, file in zip(answers, files, strict=True):
        for line in answer.told if answer.output else ():
            note(f"{file}: {line}")
    written = _write(guard, going, sheet, columns, background, force)
    _report(guard.model, going, written, seconds, as_json)
    if len(going) < len(answers):
        raise held_back(answers)


def refuse_options(options: Mapping[str, Any], what: str) -> None:
    """Raise UsageError for options that were given to a model that has no use for them."""
    from ornstein.errors import UsageError

    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given:
        raise UsageError(f"{', '.join(given)}: {what} has no such option")


def targets(
    out: Path | None, pictures: Sequence[tuple[str, int]], force: bool
) -> tuple[list[Path], Path | None]:
    """Where the pictures, given as (prompt, seed), and their grid are to go; nothing is written yet.

    One picture goes to the file named; several go beside it with numbers, and their grid takes its name. In a folder,
    files are named after prompt and seed.

    Raises:
        UsageError: a file exists, or a suffix is unknown. OrnsteinError: the folder cannot be written.
    """
    from ornstein.output import FORMATS, file_form, refuse_existing, refuse_unwritable

    named = out is not None and not os.path.isdir(out) and out.suffix != ""
    if named:
        assert out is not None
        file_form(out, None, 4)
        files = [out] if len(pictures) == 1 else [_numbered(out, k + 1) for k in range(len(pictures))]
        sheet = out if len(pictures) > 1 else None
        folder = out.parent
    else:
        folder = out or Path()
        files = _named_after(folder, pictures)
        sheet = _free(folder / f"{_slug(pictures[0][0])}-grid.png", ()) if len(pictures) > 1 else None
    refuse_unwritable(folder)
    for file in [*files, *([sheet] if sheet else [])]:
        refuse_existing(file, force)
    assert all(file.suffix.lower() in FORMATS for file in files)
    return files, sheet


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _named_after(folder: Path, pictures: Sequence[tuple[str, int]]) -> list[Path]:
    files: list[Path] = []
    for prompt, seed in pictures:
        files.append(_free(folder / f"{_slug(prompt)}-{seed}.png", files))
    return files


def _free(path: Path, taken: Sequence[Path]) -> Path:
    """`path`, or the first of ``path-2``, ``path-3`` … that neither exists nor is taken."""
    number, candidate = 1, path
    while candidate in taken or candidate.exists():
        number += 1
        candidate = _numbered(path, number)
    return candidate


def _slug(prompt: str) -> str:
    """Up to 40 plain characters of a prompt, fit for any file system."""
    plain = unicodedata.normalize("NFKD", prompt).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:40].strip("-") or "picture"


def _write(
    guard: Guarded,
    going: Sequence[tuple[Answer, Path]],
    sheet: Path | None,
    columns: int | None,
    background: str | None,
    force: bool,
) -> list[Path]:
    """Write what goes out, each file whole or not at all; a grid where more than one does."""
    from ornstein.output import file_form, write

    if not going:
        return []
    channels = guard.model.recipe.codec.channels
    answers, paths = [answer for answer, _ in going], [path for _, path in going]
    files = guard.files(answers, file_form(paths[0], background, channels))
    for path, file in zip(paths, files, strict=True):
        write(path, file.data, force)
        if file.note:
            note(f"{path}: {file.note}")
    if sheet is not None and len(going) > 1:
        write(sheet, guard.sheet(answers, file_form(sheet, background, channels), columns).data, force)
        paths.append(sheet)
    return paths


def _report(
    model: Model,
    going: Sequence[tuple[Answer, Path]],
    written: Sequence[Path],
    seconds: float,
    as_json: bool,
) -> None:
    if not as_json:
        for file in written:
            typer.echo(str(file))
        return
    pictures = [
        {
            "file": str(file),
            "id": answer.id,
            "told": answer.told,
            **answer.output.record.model_dump(mode="json"),
        }
        for answer, file in going
        if answer.output
    ]
    sheet = str(written[-1]) if len(written) > len(going) else None
    typer.echo(
        json.dumps({"model": model.recipe.name, "seconds": seconds, "pictures": pictures, "grid": sheet})
    )


@contextmanager
def progress_bar() -> Iterator[Any]:
    """Yields a progress function that draws a bar on a terminal's stderr once the work has taken two seconds."""
    started, bar, task = time.monotonic(), None, None

    def progress(done: int, total: int) -> None:
        nonlocal bar, task
        if bar is None and time.monotonic() - started > BAR_AFTER:
            from rich.console import Console
            from rich.progress import Progress

            console = Console(stderr=True)
            bar = Progress(console=console, transient=True, disable=not console.is_terminal)
            bar.start()
            task = bar.add_task("generating", total=total)
        if bar is not None and task is not None:
            bar.update(task, completed=done)

    try:
        yield progress
    finally:
        if bar is not None:
            bar.stop()


@contextmanager
def warnings_told() -> Iterator[None]:
    """Shows the model's warnings as one line each."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *rest, **more: note(str(message))
        yield


def note(text: str) -> None:
    """One line on stderr that is no error."""
    typer.echo(f"ornstein: note: {text}", err=True)
