"""A stored picture in another form: format, background, or as outlines; signed anew, as everything that goes out."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ornstein.control.source import Source
from ornstein.data.reader import upright
from ornstein.errors import MissingExtraError, OrnsteinError
from ornstein.evaluate.pictures import seen_by
from ornstein.guard.answer import Answer
from ornstein.output import Output, color, file_form, record_of, to_image
from ornstein.record import Record
from ornstein.serve.api.errors import ApiError
from ornstein.serve.books import Entry, Made
from ornstein.serve.served import ServedPictures
from ornstein.serve.service import Service
from ornstein.serve.writing import CREDENTIAL

PICTURES = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg", "svg": "image/svg+xml"}
OTHERS = {
    "txt": "text/plain; charset=utf-8", "csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet",
}  # fmt: skip
BESIDE = "c2pa"  # the credential of a file that has no place for one
FORMATS = {**PICTURES, **OTHERS, BESIDE: "application/c2pa"}
LARGEST = 2048


@dataclass(frozen=True)
class Shown:
    """How a picture is wanted; None: as it was made."""

    format: str | None
    background: str | None


def formed(service: Service, entry: Entry, made: Made, shown: Shown) -> tuple[bytes, str]:
    """The file of an output in a form, and its format.

    Raises:
        ApiError: its model is no longer served, so nobody can sign; or it has no such form. UsageError: no such colour.
    """
    kind = shown.format or made.format
    if kind == BESIDE and (credential := beside(made)) is not None:
        return credential, kind
    data = service.store.get(made.sha256)
    if kind == made.format and shown.background is None:
        return data, kind
    if kind not in PICTURES or made.format not in PICTURES:
        raise ApiError(400, f"this output is there as {made.format} alone", "format", "invalid_value")
    served = service.models.get(entry.model)
    if not isinstance(served, ServedPictures):
        raise ApiError(
            404,
            f"the model {entry.model!r} is no longer served: this picture is there as {made.format} alone",
            "format",
        )
    record, channels = _record(data, made), served.model.recipe.codec.channels
    output = Output(seen_by(channels, picture_of(data)), record)
    parent = (
        Source(output.array, strength=1.0, file=data) if record.source else None
    )  # what was edited says so again
    answer = Answer(entry.id, record.request, output, made.decisions, source=parent)
    if kind == "svg":
        return served.guarded.derived(answer, outlines(output, shown.background), "as outlines"), kind
    form = file_form(Path(f"picture.{kind}"), shown.background, channels)
    file = served.guarded.publisher.written(output, form)  # what is stored was marked when it was made
    return served.guarded.derived(answer, file, f"as {kind}"), kind


def beside(made: Made) -> bytes | None:
    """The credential of a file that has no place for one; None where it carries its own, or was not signed."""
    said = made.record.get(CREDENTIAL)
    return b64decode(said) if isinstance(said, str) else None


def picture_of(data: bytes) -> np.ndarray:
    """The pixels of a file of ours, uint8 (H, W, 4), premultiplied."""
    return np.array(upright(data, LARGEST)[0])  # a copy: torch wants one to write to


def outlines(output: Output, background: str | None) -> bytes:
    """A picture as SVG: areas of one colour with smooth edges, for things drawn flat.

    Raises:
        UsageError: no such colour. MissingExtraError: what draws outlines is not installed.
    """
    try:
        import vtracer
    except ImportError as error:
        raise MissingExtraError("SVG", "vector") from error
    image = to_image(output.array, None if background is None else color(background)).convert("RGBA")
    pixels = [tuple(pixel) for pixel in np.asarray(image).reshape(-1, 4).tolist()]
    drawn = vtracer.convert_pixels_to_svg(
        pixels, size=image.size, colormode="color", hierarchical="stacked", mode="spline", filter_speckle=2,
        color_precision=7, layer_difference=12,
    )  # fmt: skip
    return drawn.encode()


def _record(data: bytes, made: Made) -> Record:
    """The picture's record: its own, else the books', whose prompt the policy may have kept out."""
    try:
        return record_of(data)
    except OrnsteinError:
        asked = {"prompt": "(not kept)", **made.record["request"]}
        return Record.model_validate({**made.record, "request": asked})
