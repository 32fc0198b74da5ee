"""Read a folder of pictures and captions, as Hugging Face's imagefolder lays it out or more simply.

A picture's caption is, in this order: its line in `metadata.jsonl` (file_name, text), the text file of the
same stem, the name of the class folder it lies in.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ornstein.data import licences
from ornstein.data.reader import SUFFIXES
from ornstein.errors import OrnsteinError, UsageError

METADATA = "metadata.jsonl"
_CAPTION_CHARACTERS = 10_000
_FIELDS = frozenset({"licence", "holder", "source", "style", "concept"})


class UnusableError(Exception):
    """Why a picture's caption or facts cannot be used."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that cannot be used, by its path in the folder, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture with what its folder says about it; no pixel has been read."""

    id: str  # path in the folder, slashes, composed unicode
    path: Path
    captions: tuple[str, ...]
    concept: str
    facts: dict[str, str] = field(default_factory=dict)  # licence, holder, source, style


@dataclass(frozen=True, slots=True)
class Listing:
    """All of a folder: usable entries, files in the way, pictures without a caption."""

    entries: list[Entry]
    problems: list[Problem]
    uncaptioned: list[str]


def scan(folder: Path) -> Listing:
    """List a folder without reading a pixel. Raises UsageError when it is absent or holds no picture."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    problems: list[Problem] = []
    lines = _metadata(folder, problems)
    entries: list[Entry] = []
    uncaptioned: list[str] = []
    found = 0
    for path in _pictures(folder, problems):
        found += 1
        name = identifier(path, folder)
        try:
            entry = _entry(path, name, folder, lines.pop(name, None))
        except UnusableError as error:
            problems.append(Problem(name, str(error)))
            continue
        if entry is None:
            uncaptioned.append(name)
        else:
            entries.append(entry)
    problems += [Problem(name, f"named in {METADATA} but not there, or not a picture") for name in lines]
    if not found and not problems:
        raise UsageError(f"{folder} holds no picture ({', '.join(sorted(SUFFIXES))})")
    return Listing(entries, problems, uncaptioned)


def identifier(path: Path, folder: Path) -> str:
    """Return a path inside the folder as text that any file format can store."""
    name = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")
    return unicodedata.normalize("NFC", name)


def _pictures(folder: Path, problems: list[Problem]) -> Iterator[Path]:
    """Yield picture files in order, hidden ones left out; a link that leaves the folder is a problem."""
    root = folder.resolve()
    for directory, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(directory, name)
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                problems.append(Problem(identifier(path, folder), "a link that leaves the folder"))
            elif not path.is_file():
                problems.append(Problem(identifier(path, folder), "not a file"))
            else:
                yield path


def _metadata(folder: Path, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    path = folder / METADATA
    lines: dict[str, dict[str, Any]] = {}
    if not path.is_file():
        return lines
    for number, raw in enumerate(path.read_bytes().splitlines(), start=1):
        if not raw.strip():
            continue
        try:
            line = json.loads(raw.decode("utf-8"))
            name = _relative(line["file_name"])
            if name in lines:
                raise ValueError(f"{name} a second time")
            lines[name] = line
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            why = "no file_name" if isinstance(error, KeyError) else str(error) or type(error).__name__
            problems.append(Problem(f"{METADATA} line {number}", f"not a picture's metadata ({why})"))
    return lines


def _relative(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError("file_name is not text")
    normal = os.path.normpath(unicodedata.normalize("NFC", name))
    if os.path.isabs(normal) or normal.startswith(".."):
        raise ValueError(f"file_name {name!r} leaves the folder")
    return normal


def _entry(path: Path, name: str, folder: Path, line: dict[str, Any] | None) -> Entry | None:
    """Return the entry of one picture, None without a caption. Raises UnusableError saying what is wrong."""
    facts: dict[str, str] = {}
    captions: tuple[str, ...] = ()
    if line is not None:
        captions = _texts(line.get("text", ""))
        given = {**line, "licence": line.get("licence", line.get("license", ""))}
        facts = {key: _line_of_text(given[key], key) for key in sorted(_FIELDS & given.keys()) if given[key]}
    text_file = path.with_suffix(".txt")
    if not captions and text_file.is_file():
        if not text_file.resolve().is_relative_to(folder.resolve()):
            raise UnusableError(f"{text_file.name} is a link that leaves the folder")
        captions = _read_captions(text_file)
    class_name = path.parent.name.replace("_", " ") if path.parent != folder else ""
    class_name = unicodedata.normalize("NFC", os.fsencode(class_name).decode("utf-8", "replace"))
    if not captions:
        captions = (class_name,) if class_name else ()
        concept = class_name
    else:
        concept = captions[0]
    if not captions:
        return None
    return Entry(name, path, captions, facts.pop("concept", concept), facts)


def _read_captions(path: Path) -> tuple[str, ...]:
    """Return a caption file's lines. Raises UnusableError for one that is not text, empty or too long."""
    raw = path.read_bytes()
    if len(raw) > 4 * _CAPTION_CHARACTERS:
        raise UnusableError(f"caption file {path.name} has {len(raw)} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableError(f"caption file {path.name} is not UTF-8 text") from error
    captions = _texts(text.splitlines())
    if not captions:
        raise UnusableError(f"caption file {path.name} is empty")
    return captions


def _texts(value: object) -> tuple[str, ...]:
    lines = value if isinstance(value, list) else [value]
    return tuple(text for line in lines if (text := _line_of_text(line, "text")))


def _line_of_text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise UnusableError(f"{key} is not text")
    if len(value) > _CAPTION_CHARACTERS:
        raise UnusableError(f"{key} has {len(value)} characters, more than {_CAPTION_CHARACTERS}")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise UnusableError(f"{key} holds characters that are not text")
    return unicodedata.normalize("NFC", " ".join(value.split()))


def require_licences(entries: Collection[Entry], licence: str | None, holder: str | None) -> list[Entry]:
    """Return the entries with the defaults filled in.

    Raises OrnsteinError where a licence is missing, or where one asks for a holder that is.
    """
    out: list[Entry] = []
    for entry in entries:
        facts = {"licence": licence or "", "holder": holder or "", **entry.facts}
        facts["licence"] = licences.canonical(facts["licence"])
        out.append(Entry(entry.id, entry.path, entry.captions, entry.concept, facts))
    if bare := [entry.id for entry in out if not entry.facts["licence"]]:
        raise OrnsteinError(
            f"{len(bare)} pictures have no licence ({', '.join(bare[:3])}): give --licence ID"
        )
    named = [entry for entry in out if entry.facts["licence"] in licences.ATTRIBUTION]
    if nameless := [entry.id for entry in named if not entry.facts["holder"]]:
        some = ", ".join(nameless[:3])
        raise OrnsteinError(f"{len(nameless)} pictures need their holder named ({some}): give --holder NAME")
    return out
