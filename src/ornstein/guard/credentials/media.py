"""Kinds of files that carry credentials, told by their first bytes: a name's suffix proves nothing."""

from __future__ import annotations

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"fLaC", "audio/flac"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_FILMS = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash", b"M4V ", b"qt  ")
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"M4A ": "audio/mp4",
    **dict.fromkeys(_FILMS, "video/mp4"),
}
UNKNOWN = "application/octet-stream"
NAMES = "PNG, JPEG, WebP, GIF, TIFF, AVIF, SVG, MP4, M4A, WAV or FLAC"


def mime_of(data: bytes) -> str | None:
    """The media type of a file's bytes; None where credentials have no place in it."""
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])  # no hash covers the brand: an unknown one is no kind of file
    if data[:3] == b"ID3":  # a signed FLAC file carries its credential in such a tag, before the sound
        data = data[10 + _synchsafe(data[6:10]) :][:4]
    if data.startswith((b"<?xml", b"<svg")) and b"<svg" in data[:1024]:
        return "image/svg+xml"
    return next((mime for start, mime in _STARTS if data.startswith(start)), None)


def _synchsafe(size: bytes) -> int:
    """An ID3 size: seven bits a byte."""
    number = 0
    for byte in size:
        number = number << 7 | byte & 0x7F
    return number
