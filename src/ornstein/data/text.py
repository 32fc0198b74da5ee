"""Text as a pack: a folder of licensed passages, one a line, made once and read by every training.

pack.json        header: name, what a passage is, sha256 of both other files
manifest.parquet one Row a passage, in the order of the lines
passages.txt     UTF-8; passages of one document follow one another
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ornstein.data import manifest
from ornstein.data.atomic import new_folder
from ornstein.data.licences import canonical
from ornstein.data.manifest import HELD_OUT, TRAIN, Row
from ornstein.data.splits import position
from ornstein.errors import OrnsteinError, UsageError

HEADER, MANIFEST, PASSAGES = "pack.json", "manifest.parquet", "passages.txt"
HELD_OUT_SHARE = 0.05
SHINGLE = 8  # words: what two passages must share to count as alike
LARGEST_FILE = 1 << 30  # bytes of a user's text


@dataclass(frozen=True, slots=True)
class Passage:
    """A line of text and where it stands: `document` is what a split never cuts (a chapter, a headword, a file)."""

    id: str
    text: str
    document: str


class Header(BaseModel):
    """What `pack.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int
    kind: str
    name: str
    passages: int
    manifest: str
    text: str
    notes: dict[str, int]


class TextPack:
    """Read access to a pack of text: `texts` in the order of `rows`."""

    def __init__(self, folder: Path, header: Header, texts: list[str]) -> None:
        self.folder, self.header, self.texts = folder, header, texts
        self.name = header.name

    @classmethod
    def open(cls, folder: Path | str) -> TextPack:
        """Open a pack. Raises OrnsteinError: not a pack of text, or a file that is not the hashed one."""
        folder = Path(folder)
        try:
            header = Header.model_validate_json((folder / HEADER).read_bytes())
            files = {name: (folder / name).read_bytes() for name in (MANIFEST, PASSAGES)}
        except (OSError, ValidationError) as error:
            raise OrnsteinError(
                f"{folder} is not a pack of text: make one with `ornstein data fetch`"
            ) from error
        for name, expected in ((MANIFEST, header.manifest), (PASSAGES, header.text)):
            if hashlib.sha256(files[name]).hexdigest() != expected:
                raise OrnsteinError(f"{folder / name} was altered: fetch or pack the data again")
        return cls(folder, header, files[PASSAGES].decode().split("\n")[:-1])

    @cached_property
    def rows(self) -> list[Row]:
        """The manifest, one row a passage."""
        return manifest.read(self.folder / MANIFEST)

    def of(self, split: str) -> list[str]:
        """The passages of a split, in order."""
        return [text for text, row in zip(self.texts, self.rows, strict=True) if row.split == split]


def is_text(folder: Path) -> bool:
    """Whether a folder is a pack of text."""
    try:
        return json.loads((folder / HEADER).read_bytes()).get("kind") == "text"
    except (OSError, ValueError, AttributeError):
        return False


def write_pack(
    out: Path,
    name: str,
    passages: Iterable[Passage],
    *,
    licence: str,
    holder: str,
    source: str,
    held_out: float = HELD_OUT_SHARE,
    force: bool = False,
) -> Path:
    """Write passages as a pack, whole or not at all.

    Documents are split by a hash of their names. A training passage most of whose runs of eight words also stand in
    the held-out documents is left out, so that nothing is measured on what was learned.

    Args:
        out: folder, which must not exist unless `force`.
        name: of the set.
        passages: those of one document one after the other; white space within becomes single spaces.
        licence: SPDX identifier of all of them.
        holder: whom it names.
        source: where they come from.
        held_out: share of the documents.
        force: replace what is there.

    Raises:
        UsageError: it exists, or there is nothing to train on.
    """
    made: dict[str, Row] = {}
    texts: dict[str, str] = {}
    for passage in passages:
        text = " ".join(passage.text.split())
        if not text or passage.id in made:
            continue
        split = HELD_OUT if position("document", passage.document) < held_out else TRAIN
        made[passage.id] = Row(
            id=passage.id, sha256=hashlib.sha256(text.encode()).hexdigest(), licence=canonical(licence),
            holder=holder, source=f"{source} {passage.id}", split=split, concept=passage.document, style=name,
            variant=0, captions=(),
        )  # fmt: skip
        texts[passage.id] = text
    alike = _alike(made, texts)
    rows = [row for row in made.values() if row.id not in alike]
    if not any(row.split == TRAIN for row in rows):
        raise UsageError(f"{name} has no text to train on: it wants more than one document")
    with new_folder(out, force=force) as part:
        manifest.write(rows, part / MANIFEST)
        (part / PASSAGES).write_text("".join(f"{texts[row.id]}\n" for row in rows), encoding="utf-8")
        digests = {
            file: hashlib.sha256((part / file).read_bytes()).hexdigest() for file in (MANIFEST, PASSAGES)
        }
        header = Header(
            format=1, kind="text", name=name, passages=len(rows), manifest=digests[MANIFEST],
            text=digests[PASSAGES], notes={"passages left out, which repeat held-out ones": len(alike)},
        )  # fmt: skip
        (part / HEADER).write_text(header.model_dump_json(indent=1), encoding="utf-8")
    return out


def words(text: str) -> list[str]:
    """Words in lower case, without marks: what copies are compared by."""
    return re.findall(r"\w+", text.lower())


def shingles(text: str, length: int = SHINGLE) -> list[str]:
    """All runs of `length` words; a shorter text is one run."""
    said = words(text)
    return [" ".join(said[k : k + length]) for k in range(max(1, len(said) - length + 1))]


def _alike(rows: dict[str, Row], texts: dict[str, str]) -> set[str]:
    """Training passages more than half of whose runs of words are held out as well."""
    held = {run for row in rows.values() if row.split == HELD_OUT for run in shingles(texts[row.id])}
    alike: set[str] = set()
    for row in rows.values():
        if row.split == TRAIN:
            runs = shingles(texts[row.id])
            if 2 * sum(run in held for run in runs) > len(runs):
                alike.add(row.id)
    return alike


def read_passages(path: Path) -> list[Passage]:
    """A user's text: a .txt file (paragraphs), a .jsonl file (``prompt`` and ``text``), or a folder of them.

    The prompt of a line is put before its text, with a colon, so that it steers what is generated.

    Raises:
        UsageError: no text, not UTF-8, or a line that is not as said; names file and line.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in (".txt", ".jsonl"))
    if not files:
        raise UsageError(f"{path} holds no .txt or .jsonl file")
    found: list[Passage] = []
    for file in files:
        name = file.name if file == path else file.relative_to(path).as_posix()
        text = read_text(file)
        found += _lines(file, name, text) if file.suffix == ".jsonl" else _paragraphs(name, text)
    if not any(passage.text.strip() for passage in found):
        raise UsageError(f"{path} holds no text")
    return found


def read_text(file: Path) -> str:
    """The text of a UTF-8 file. Raises UsageError."""
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise UsageError(f"{file} is larger than {LARGEST_FILE >> 20} MiB: split it")
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start}): convert it, "
            "for example with `iconv -t UTF-8`"
        ) from error


def _paragraphs(name: str, text: str) -> list[Passage]:
    """Paragraphs; a single file is cut into documents of sixteen, so that some can be held out."""
    parts = [part for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n")) if part.strip()]
    return [Passage(f"{name}:{k + 1}", part, f"{name}:{k // 16}") for k, part in enumerate(parts)]


def _lines(file: Path, name: str, text: str) -> list[Passage]:
    found: list[Passage] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            said, prompt = values["text"], values.get("prompt", "")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            said = prompt = None
        if not isinstance(said, str) or not isinstance(prompt, str):
            raise UsageError(f'{file}:{number} is not {{"text": "…", "prompt": "…"}}')
        document = prompt or f"{name}:{number}"
        found.append(Passage(f"{name}:{number}", f"{prompt}: {said}" if prompt else said, document))
    return found
