"""Files that are traced: the model they name, their pixels, and a sheet of them beside what they are similar to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ornstein import output
from ornstein.bundle import Bundle
from ornstein.data.pack import Pack
from ornstein.data.reader import BadPictureError, read_picture
from ornstein.errors import OrnsteinError
from ornstein.evaluate.pictures import on_white, resize
from ornstein.guard.trace.build import pack_of
from ornstein.guard.trace.sources import Sources, Traced
from ornstein.output import FileForm
from ornstein.shelf import find, shelf

CELL = 128  # pixels of a picture on a sheet


def sources_of(file: Path, model: str | None, known: dict[Path, Sources]) -> Sources:
    """The sources of a model by name, or of the one that the file's replay record names; opened once.

    Raises:
        OrnsteinError: no such model, or none that the file names, or one without an index.
    """
    folder = find(model) if model is not None else _maker(file)
    if folder not in known:
        known[folder] = Sources.open(Bundle.open(folder))
    return known[folder]


def read_square(file: Path, sources: Sources) -> np.ndarray:
    """The picture in a file, uint8 (S, S, 4) premultiplied, with transparent bars where it is not square.

    Raises:
        OrnsteinError: it cannot be read.
    """
    try:
        return np.array(read_picture(file, sources.index.config.finer))  # a copy: torch wants one to write to
    except BadPictureError as error:
        raise OrnsteinError(f"{file}: {error}") from error


def write_sheet(
    path: Path, found: Sequence[tuple[Path, Sources, Traced]], folder: Path | None, force: bool
) -> None:
    """Write a PNG with a row for each file: it, then the training pictures it is similar to, nearest first.

    Args:
        path: of the sheet.
        found: the files.
        force: replace an existing sheet.
        folder: of the pack that holds the training pictures; what each model's recipe says where None.

    Raises:
        OrnsteinError: the pack is not at hand or lacks a picture, or the disk refuses.
    """
    cells: list[np.ndarray] = []
    for file, sources, traced in found:
        pack = Pack.open(folder or pack_of(sources.bundle))
        places = {one: place for place, one in enumerate(pack.ids)}
        if lacking := [source.id for source in traced.sources if source.id not in places]:
            raise OrnsteinError(
                f"{pack.folder} lacks {lacking[0]}: name the pack the model learned from with --pack"
            )
        rows = np.array([places[source.id] for source in traced.sources])
        cells.append(_cell(read_square(file, sources)))
        cells += [_cell(picture) for picture in pack.pictures(rows)]
    sheet = output.grid(cells, len(cells) // len(found))
    output.write(path, output.encode(sheet, FileForm()), force)


def _cell(picture: np.ndarray) -> np.ndarray:
    return resize(on_white(picture[None]), CELL)[0].movedim(0, -1).round().byte().numpy()


def _maker(file: Path) -> Path:
    """The folder of the model that a file's replay record names."""
    _, record = output.read(file)
    made_by = record.model
    named = shelf().get(made_by.name)
    for folder in [*([named] if named else []), *shelf().values()]:
        with suppress(OrnsteinError):  # a damaged model is not the one, or cannot be used
            if Bundle.open(folder).fingerprint == made_by.fingerprint:
                return folder
    raise OrnsteinError(
        f"{file} was made by {made_by.name!r}, which is not among your models: name it with --model"
    )
