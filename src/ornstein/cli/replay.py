"""``ornstein replay``: make a picture again from the record it carries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ornstein.cli.generate import Force, Mask, Named, Source


def replay(
    file: Annotated[Path, typer.Argument(help="A picture that ornstein generated.")],
    out: Annotated[Path, typer.Option(help="Where to write the copy; the same suffix as FILE.")],
    model: Annotated[str | None, typer.Option(help="The model's name or folder (the recorded name).")] = None,
    source: Source = None,
    mask: Mask = None,
    policy: Named = None,
    force: Force = False,
) -> None:
    """Make a picture again, bit for bit on the same machine and build, and say whether it is the same.

    The copy is signed anew, so the two files are compared without their signatures.
    """
    from ornstein.cli.pictures import read_source
    from ornstein.errors import OrnsteinError, UsageError
    from ornstein.guard.answer import held_back
    from ornstein.guard.credentials.stripping import without
    from ornstein.guard.guarded import Guarded
    from ornstein.guard.policy import Policy
    from ornstein.output import file_form, read, refuse_existing, refuse_unwritable, write
    from ornstein.record import Platform

    form = file_form(out, None, 4)
    refuse_existing(out, force)
    refuse_unwritable(out.parent)
    original, record = read(file)
    if form.format != record.form.format:
        raise UsageError(f"{file} is {record.form.format}: name the copy with the same suffix")

    from ornstein.model import Model

    guard = Guarded(Model.load(model or record.model.name), Policy.find(policy))
    recipe, brought = guard.model.recipe, None
    if source is not None and record.source is not None:
        strength, size = record.source.strength, record.request.size
        brought = read_source(source, mask, strength, size, recipe.codec.channels)
    answer = guard.replay(record, brought)
    if answer.output is None:
        raise held_back([answer])
    write(out, guard.files([answer], record.form)[0].data, force)
    typer.echo(str(out))
    if guard.publisher.plain(answer.output, record.form, brought) == without(original):
        typer.echo("identical, byte for byte, but for the signature", err=True)
        return
    differing = record.platform.differences(Platform.here(guard.model.device))
    why = f"made elsewhere: {'; '.join(differing)}" if differing else "the file was altered after it was made"
    raise OrnsteinError(f"{out} is not identical to {file} ({why})")
