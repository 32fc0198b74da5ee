"""A file as it was before it was signed. Only for comparing a picture with its replay; never for what is passed on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from ornstein.errors import OrnsteinError
from ornstein.guard.credentials.media import mime_of

B = TypeVar("B", bytes, memoryview)
BROKEN = "the file is not whole"
PNG_CREDENTIAL = b"caBX"
JPEG_SCAN, JPEG_APP11 = 0xDA, 0xEB


def without(data: bytes) -> bytes:
    """A PNG, JPEG, WebP or WAV file without its credential; every other byte is as it was.

    Raises:
        OrnsteinError: another kind of file, or one that is not whole.
    """
    mime = mime_of(data)
    if mime == "image/png":
        return data[:8] + b"".join(chunk for chunk in png_chunks(data) if chunk[4:8] != PNG_CREDENTIAL)
    if mime == "image/jpeg":
        return data[:2] + b"".join(_jpeg(data))
    if mime in ("image/webp", "audio/wav"):
        body = data[8:12] + b"".join(_riff(data))
        return data[:4] + len(body).to_bytes(4, "little") + body
    raise OrnsteinError("credentials are taken out of PNG, JPEG, WebP and WAV files only")


def png_chunks(data: B) -> Iterator[B]:
    """A PNG file's chunks: length, type, data, checksum (PNG, third edition, section 5.3). Raises OrnsteinError."""
    start = 8
    while start < len(data):
        chunk = _part(data, start, 12 + int.from_bytes(data[start : start + 4], "big"))
        yield chunk
        start += len(chunk)


def _jpeg(data: bytes) -> Iterator[bytes]:
    """The segments but APP11 ones with JUMBF boxes (ISO/IEC 19566-5, annex D), up to the scan; then the rest."""
    start = 2
    while data[start + 1 : start + 2] != bytes([JPEG_SCAN]):
        segment = _part(data, start, 2 + int.from_bytes(data[start + 2 : start + 4], "big"))
        if segment[1] != JPEG_APP11 or segment[4:6] != b"JP":
            yield segment
        start += len(segment)
    yield data[start:]


def _riff(data: bytes) -> Iterator[bytes]:
    """The chunks but ``C2PA``: type, length, data padded to an even length."""
    start = 12
    if 8 + int.from_bytes(data[4:8], "little") != len(data):
        raise OrnsteinError(BROKEN)
    while start < len(data):
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        chunk = _part(data, start, 8 + size + size % 2)
        if chunk[:4] != b"C2PA":
            yield chunk
        start += len(chunk)


def _part(data: B, start: int, size: int) -> B:
    if size < 4 or start + size > len(data):
        raise OrnsteinError(BROKEN)
    return data[start : start + size]
