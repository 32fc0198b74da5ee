"""Pictures out: images, files, the text they carry, grids; and reading a record back from a file."""

from __future__ import annotations

import html
import io
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor
from PIL.PngImagePlugin import PngInfo

from ornstein.config import as_text, changes, parse
from ornstein.data.atomic import new_file
from ornstein.drawing import NOTHING, Spent
from ornstein.errors import OrnsteinError, UsageError, nearest
from ornstein.record import FileForm, Record

FORMATS = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
RECORD_KEY, PARAMETERS_KEY = "ornstein", "parameters"
USER_COMMENT, EXIF_SECTION = 0x9286, 0x8769
LARGEST_FILE = 64 << 20  # bytes read of a picture to be replayed; ours are at most a few hundred thousand

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:ornstein="urn:ornstein:1"><ornstein:record>{}</ornstein:record>'
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)


@dataclass(frozen=True)
class Output:
    """A generated picture.

    Attributes:
        array: uint8 (H, W, 4) premultiplied RGBA, (H, W, 3) RGB, or (H, W, 1) grey.
        record: how it was made; ``ornstein replay`` makes it again.
        spent: what it took.
    """

    array: np.ndarray
    record: Record
    spent: Spent = NOTHING

    @property
    def image(self) -> Image.Image:
        """The picture in straight alpha: mode RGBA, RGB where it is opaque, or L for grey."""
        return to_image(self.array)

    def save(self, path: str | Path, background: str | None = None, force: bool = False) -> Path:
        """Write the picture with its parameters and its replay record; the suffix decides the format.

        Args:
            path: ``.png``, ``.webp`` (both lossless) or ``.jpg``.
            background: colour behind transparent parts, a name or ``#rrggbb``; JPEG takes white where none is given.
            force: replace an existing file.

        Raises:
            UsageError: unknown suffix or colour, or an existing file. OrnsteinError: the disk refuses.
        """
        path = Path(path)
        form = file_form(path, background, self.array.shape[-1])
        refuse_existing(path, force)
        write(path, self.encode(form), force)
        return path

    def encode(self, form: FileForm) -> bytes:
        """The file's bytes, a pure function of picture, record and form."""
        record = self.record.model_copy(update={"form": form})
        return encode(self.array, form, record)


def to_image(array: np.ndarray, background: str | None = None) -> Image.Image:
    """A premultiplied array as a picture: RGBA in straight alpha, RGB where it is opaque, or L for grey."""
    if array.shape[-1] != 4:
        return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    color, alpha = array[..., :3].astype(np.uint32), array[..., 3:].astype(np.uint32)
    if background is None:
        straight = (color * 255 + alpha // 2) // np.maximum(alpha, 1)
        return Image.fromarray(np.concatenate([straight, alpha], axis=-1).astype(np.uint8))
    behind = np.array(ImageColor.getrgb(background), np.uint32)
    return Image.fromarray((color + ((255 - alpha) * behind + 127) // 255).astype(np.uint8))


def file_form(path: Path, background: str | None, channels: int) -> FileForm:
    """How to write `path`.

    Raises:
        UsageError: unknown suffix or colour, or a background for pictures that have no transparency.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(
            f"{path.name}: cannot write {suffix or 'a file without suffix'}; use .png, .webp or .jpg"
        )
    if background is not None:
        background = color(background)
        if channels != 4:
            kind = "grey and opaque" if channels == 1 else "opaque"
            raise UsageError(f"this model's pictures are {kind}: leave the background out")
    elif FORMATS[suffix] == "jpeg" and channels == 4:
        background = "#ffffff"  # JPEG has no alpha
    return parse(FileForm, {"format": FORMATS[suffix], "background": background})


def color(name: str) -> str:
    """A colour's name or hexadecimal code as ``#rrggbb``. Raises UsageError."""
    try:
        red, green, blue = ImageColor.getrgb(name.strip())[:3]
    except (ValueError, AttributeError):
        close = nearest(name.lower(), ImageColor.colormap) if name.isalpha() else ""
        hint = close if "did you mean" in close else "; use a name such as white, or #rrggbb"
        raise UsageError(f"no colour {name[:40]!r}{hint}") from None
    return f"#{red:02x}{green:02x}{blue:02x}"


def encode(array: np.ndarray, form: FileForm, record: Record | None = None) -> bytes:
    """A picture file, with parameters and record where one is given: lossless PNG or WebP, or JPEG at quality 95,
    unless the form says another quality.
    """
    image, file = to_image(array, form.background), io.BytesIO()
    options: dict[str, Any] = {}
    if record is not None:
        options = _png_text(record) if form.format == "png" else _exif_and_xmp(record)
    if form.format == "png":
        image.save(file, "PNG", **options)  # optimised, it takes three times as long and is 1% smaller
    elif form.format == "webp":
        lossless = form.quality is None
        image.save(
            file, "WEBP", lossless=lossless, quality=100 if lossless else form.quality, method=6, **options
        )
    else:
        image.save(
            file, "JPEG", quality=95 if form.quality is None else form.quality, subsampling=0, **options
        )
    return file.getvalue()


def _png_text(record: Record) -> dict[str, Any]:
    info = PngInfo()
    info.add_text(PARAMETERS_KEY, parameters(record))
    info.add_itxt(RECORD_KEY, record.model_dump_json(), lang="", tkey="")
    return {"pnginfo": info}


def _exif_and_xmp(record: Record) -> dict[str, Any]:
    exif = Image.Exif()
    comment = b"UNICODE\0" + parameters(record).encode("utf-16-be")
    exif.get_ifd(EXIF_SECTION)[USER_COMMENT] = comment
    xmp = XMP.format(html.escape(record.model_dump_json(), quote=False))
    return {"exif": exif.tobytes(), "xmp": xmp.encode()}


def parameters(record: Record) -> str:
    """The text that other programs read: prompt, negative prompt, then ``Key: value`` pairs on the last line."""
    request = record.request
    pairs = {
        "Steps": request.steps, "Sampler": request.sampler, "CFG scale": f"{request.guidance:g}",
        "Seed": request.seed, "Size": f"{request.size}x{request.size}",
        "Model hash": (record.model.fingerprint or "none")[:10], "Model": record.model.name,
        "Version": f"ornstein {record.platform.ornstein}",
    }  # fmt: skip
    made = changes(request)  # what came later is named where it was chosen
    later = {"compose": ("Syntax", "composed"), "rule": ("Rule", as_text(request.rule))}
    later["schedule"] = ("Schedule", as_text(request.schedule))
    pairs |= dict(pair for name, pair in later.items() if name in made)
    lines = [request.prompt, *([f"Negative prompt: {request.negative}"] if request.negative else [])]
    return "\n".join([*lines, ", ".join(f"{key}: {_quoted(value)}" for key, value in pairs.items())])


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',:"\n') else text


def read(path: Path) -> tuple[bytes, Record]:
    """The bytes of a picture file and the record it carries.

    Raises:
        OrnsteinError: no such file, not a whole picture, no record, or one that cannot be what ornstein wrote.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise OrnsteinError(f"{path} is larger than any picture written here: it cannot be replayed")
        data = path.read_bytes()
    except OSError as error:
        raise OrnsteinError(f"cannot read {path}: {error.strerror}") from error
    return data, record_of(data, str(path))


def record_of(data: bytes, name: str = "this file") -> Record:
    """The record that a picture file's bytes carry. Raises OrnsteinError, as ``read``."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "WEBP", "JPEG"]) as image:
            image.load()
            text = _record_text(image)
    except Exception as error:  # pillow's readers raise a dozen unrelated types on damaged files
        raise OrnsteinError(f"{name} is not a whole PNG, WebP or JPEG picture") from error
    if text is None:
        raise OrnsteinError(
            f"{name} carries no replay record: only pictures written by ornstein can be replayed"
        )
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise UsageError("it is no mapping")
        return parse(Record, values)
    except (ValueError, RecursionError) as error:
        raise OrnsteinError(f"the replay record of {name} is damaged or forged: {one_line(error)}") from error


def _record_text(image: Image.Image) -> str | None:
    if image.format == "PNG":
        return getattr(image, "text", {}).get(RECORD_KEY)
    xmp = image.info.get("xmp", b"")
    packet = xmp.decode("utf-8", "replace") if isinstance(xmp, bytes) else str(xmp)
    # our own packet is fixed text, so no XML parser has to meet a stranger's XML
    _, start, rest = packet.partition("<ornstein:record>")
    body, end, _ = rest.partition("</ornstein:record>")
    return html.unescape(body) if start and end else None


def one_line(error: Exception) -> str:
    """An error's message without line breaks, at most 200 characters."""
    return " ".join(str(error).split())[:200]


def grid(arrays: Sequence[np.ndarray], columns: int | None = None, gap: int = 4) -> np.ndarray:
    """Arrays (H, W, C) of one shape, row by row in one array; gaps and missing cells are transparent, or white.

    Args:
        arrays: at least one.
        columns: cells a row; about a square where None.
        gap: pixels between cells.
    """
    columns = columns or math.ceil(math.sqrt(len(arrays)))
    height, width, channels = arrays[0].shape
    rows = math.ceil(len(arrays) / columns)
    shape = rows * (height + gap) - gap, columns * (width + gap) - gap, channels
    sheet = np.full(shape, 0 if channels == 4 else 255, np.uint8)
    for k, array in enumerate(arrays):
        top, left = k // columns * (height + gap), k % columns * (width + gap)
        sheet[top : top + height, left : left + width] = array
    return sheet


def refuse_existing(path: Path, force: bool) -> None:
    """Raise UsageError where `path` exists and may not be replaced; a folder never may."""
    if os.path.isdir(path):  # unlike the method, it has no opinion on names that are too long
        raise UsageError(f"{path} is a folder: name a file")
    if os.path.lexists(path) and not force:
        raise UsageError(f"{path} exists already: choose another name, or replace it with --force")


def refuse_unwritable(folder: Path) -> None:
    """Make sure, by doing it, that a file can be made in `folder` or in what would hold it. Raises OrnsteinError."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    probe = there / f".ornstein.{os.getpid()}.part"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise OrnsteinError(f"cannot write into {folder}: {error.strerror}") from error


def write(path: Path, data: bytes, force: bool = False) -> None:
    """Write a file whole or not at all.

    Raises:
        UsageError: it exists and `force` is not given. OrnsteinError: the disk refuses; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as part:
            part.write_bytes(data)
            refuse_existing(path, force)
    except OSError as error:
        raise OrnsteinError(f"cannot write {path}: {error.strerror}") from error
