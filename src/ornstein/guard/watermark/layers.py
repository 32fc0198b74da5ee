"""Everything that says where a picture file comes from: credential, log, marks, record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from ornstein.config import Config
from ornstein.errors import MissingExtraError, OrnsteinError
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import verify
from ornstein.guard.records.log import RecordLog, default_folder
from ornstein.guard.watermark.detect import EVALUATIONS, FALSE_POSITIVES, Reading, detect
from ornstein.guard.watermark.pattern import Pattern
from ornstein.guard.watermark.posthoc import SMALLEST, Posthoc
from ornstein.guard.watermark.restore import NEAR, read_file, restore
from ornstein.model import Model
from ornstein.output import read

LARGEST = 1024  # side at which a second mark is looked for; more is averaged down
ABSENCE = "no mark was found; absence proves nothing"


class Layer(Config):
    """One thing that was found.

    Attributes:
        layer: what it is. says: what it says, in words.
        model: that was asked, or is named. key: fingerprint. code: of the key. p_value: how often chance does as much.
    """

    layer: Literal["credential", "log", "watermark", "pattern", "second watermark", "record"]
    says: str
    model: str | None = None
    key: str | None = None
    code: int | None = None
    p_value: float | None = None


def signed(file: Path) -> Iterator[Layer]:
    """What the file's credential says, where it is whole; whether to believe it is for ``ornstein verify``."""
    verdict = verify(file.read_bytes(), Trust.find())
    if verdict.state in ("trusted", "valid"):
        who = "this machine's development certificate" if verdict.development else verdict.signer
        known = "" if verdict.state == "trusted" else ", whom nobody here vouches for"
        claim = verdict.claim
        yield Layer(layer="credential", says=f"signed by {who}{known}", model=claim.model if claim else None)


def logged(file: Path) -> Iterator[Layer]:
    """Whether this very file went out through the guard on this machine."""
    if not default_folder().is_dir():
        return
    entry = RecordLog.existing().of_output(hashlib.sha256(file.read_bytes()).hexdigest())
    if entry is not None:
        yield Layer(layer="log", says=f"written here at {entry.time} for request {entry.request}")


def in_noise(file: Path, models: Sequence[Model], keys: Sequence[bytes]) -> Iterator[Layer]:
    """Marks in the noise, for each model that finds one: three evaluations each.

    Raises:
        OrnsteinError: not a whole picture.
    """
    for model in models:
        size, channels = model.recipe.sampling.size, model.recipe.codec.channels
        picture, moves = restore(read_file(file, size), size, channels)
        (found,) = detect(model, np.stack([picture]), keys, moves, len(models))
        if found.hit:
            yield Layer(
                layer="watermark", model=model.recipe.name, key=found.key, code=found.code, p_value=found.p_value,
                says=f"in the noise of {model.recipe.name}, {EVALUATIONS} evaluations",
            )  # fmt: skip


def in_pixels(file: Path, keys: Sequence[bytes]) -> Iterator[Layer]:
    """Marks in finished pixels, in pictures large enough; RivaGAN's only where its networks are installed.

    Raises:
        OrnsteinError: not a whole picture.
    """
    picture = read_file(file, LARGEST // 4)
    if Pattern.fits(picture):
        for key in keys:
            yield from _hit("pattern", Pattern(key).detect(picture, NEAR), len(keys))
    picture = _trimmed(picture)
    if min(picture.shape[:2]) < SMALLEST:
        return
    for key in keys:
        try:
            found = Posthoc(key).detect(picture)
        except MissingExtraError:
            return
        yield from _hit("second watermark", found, len(keys))


def recorded(file: Path) -> Iterator[Layer]:
    """What the record in a file says, which anybody could have written."""
    try:
        _, record = read(file)
    except OrnsteinError:
        return
    mark = record.mark
    yield Layer(
        layer="record", model=record.model.name, key=mark.key if mark else None, code=mark.code if mark else None,
        says=f"made by {record.model.name} with seed {record.request.seed}; not signed: anybody can write one",
    )  # fmt: skip


def _hit(layer: Literal["pattern", "second watermark"], found: Reading, keys: int) -> Iterator[Layer]:
    p_value = min(1.0, found.p_value * keys)
    if p_value <= FALSE_POSITIVES:
        yield Layer(layer=layer, key=found.key, code=found.code, p_value=p_value, says="in its pixels")


def _trimmed(picture: np.ndarray) -> np.ndarray:
    """Without the transparent edges that made a square of it."""
    rows, columns = (np.flatnonzero(picture[..., 3].any(axis)) for axis in (1, 0))
    if not len(rows):
        return picture[:0]
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
