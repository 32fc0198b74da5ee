"""Multipart forms with pictures in them: few parts, of known names, and none larger than it may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from ornstein.serve.api.errors import ApiError
from ornstein.serve.api.fields import Fields

F = TypeVar("F", bound=Fields)
PICTURES = ("image", "image[]")
MAX_FILES, MAX_FIELDS, MAX_FIELD_BYTES = 4, 40, 16 << 10


@dataclass(frozen=True)
class Form:
    """What a form brought: its words, and the bytes of its files."""

    words: dict[str, str]
    image: bytes | None
    mask: bytes | None


async def read(request: Request, files: tuple[str, ...]) -> Form:
    """A form whose files have these names.

    Raises:
        ApiError: 415 for anything else, 400 for parts that are twice there, too many or of the wrong kind.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise ApiError(415, "send the picture as multipart/form-data", code="unsupported_media_type")
    words: dict[str, str] = {}
    brought: dict[str, bytes] = {}
    async with request.form(
        max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
    ) as form:
        for name, value in form.multi_items():
            place = "image" if name in PICTURES else name
            if place in words or place in brought:
                why = (
                    "one picture at a time is edited" if place == "image" else f"{name[:80]!r} is there twice"
                )
                raise ApiError(400, f"{why}: send it once", place[:80], "invalid_value")
            if isinstance(value, UploadFile) and place in files:
                brought[place] = await value.read()
            elif isinstance(value, UploadFile):
                raise ApiError(
                    400,
                    f"{name[:80]!r} is no file here; files are {', '.join(files)}",
                    name[:80],
                    "invalid_value",
                )
            elif place in files:
                raise ApiError(400, f"{place} is a file: send it with a file name", place, "invalid_value")
            else:
                words[name] = value
    return Form(words, brought.get("image"), brought.get("mask"))


def parse(kind: type[F], words: dict[str, str]) -> F:
    """The words of a form, checked. Raises RequestValidationError, as a JSON body does."""
    try:
        return kind.model_validate(words)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


def schema(kind: type[Fields], required: tuple[str, ...], mask: bool) -> dict[str, Any]:
    """A form's part of the interface's description, with its files."""
    said = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    file = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    properties = {"image": file | {"description": "PNG, JPEG, WebP, GIF, BMP or TIFF."}} | said["properties"]
    if mask:
        properties["mask"] = file | {
            "description": "As large as the image; what is transparent is drawn anew."
        }
    body = said | {"properties": properties, "required": list(required)}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}}}
