"""``ornstein replay``: make a picture again from the record it carries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def replay(
    file: Annotated[Path, typer.Argument(help="A picture that ornstein generated.")],
    out: Annotated[Path, typer.Option(help="Where to write the copy; the same suffix as FILE.")],
    model: Annotated[str | None, typer.Option(help="The model's name or folder (the recorded name).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Make a picture again, bit for bit on the same machine and build, and say whether it is the same."""
    from ornstein.errors import OrnsteinError, UsageError
    from ornstein.output import file_form, read, refuse_existing, refuse_unwritable, write
    from ornstein.record import Platform

    form = file_form(out, None, 4)
    refuse_existing(out, force)
    refuse_unwritable(out.parent)
    original, record = read(file)
    if form.format != record.form.format:
        raise UsageError(f"{file} is {record.form.format}: name the copy with the same suffix")

    from ornstein.model import Model

    ready = Model.load(model or record.model.name)
    made = ready.replay(record)
    copy = made.encode(record.form)
    write(out, copy, force)
    typer.echo(str(out))
    differing = record.platform.differences(Platform.here(ready.device))
    if copy == original:
        typer.echo("identical, byte for byte", err=True)
        return
    why = f"made elsewhere: {'; '.join(differing)}" if differing else "the file was altered after it was made"
    raise OrnsteinError(f"{out} is not identical to {file} ({why})")
