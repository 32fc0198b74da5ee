"""Two sets of text from Debian packages: the King James Bible, and dictionaries in the format of dictd."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

from ornstein.data.licences import DEFAULT
from ornstein.data.text import Passage, write_pack
from ornstein.errors import OrnsteinError

DICTD = Path("/usr/share/dictd")
GPL = "GPL-2.0-or-later"
KJV_HOLDER = "nobody: the translation of 1611 is out of copyright"
_DIGITS = {mark: value for value, mark in enumerate(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)}  # fmt: skip
_VERSE, _CHAPTER = re.compile(r"^\s+(\d+) (.*)$"), re.compile(r"^(\S.*) (\d+)$")
_LONGEST = 400  # characters of a definition: what a small model's context holds


def build_kjv(out: Path, *, force: bool = False) -> Path:
    """Write the King James Bible to `out`: a passage a verse, a document a chapter. Raises OrnsteinError.

    The text of 1611 is out of copyright; in the United Kingdom a Crown patent still covers its printing.
    """
    if shutil.which("bible") is None:
        raise OrnsteinError(
            "`bible` is not installed: get it with `apt-get install bible-kjv bible-kjv-text`"
        )
    done = subprocess.run(["bible", "-l0", "gen1:1-rev22:21"], capture_output=True, text=True, check=False)
    verses = list(_verses(done.stdout))
    if done.returncode or len(verses) != 31_102:
        raise OrnsteinError(f"`bible` gave {len(verses):,} verses, not 31,102: install bible-kjv-text again")
    return write_pack(
        out, "kjv", verses, licence="LicenseRef-Public-Domain", holder=KJV_HOLDER, source="bible-kjv-text", force=force
    )  # fmt: skip


def _verses(printed: str) -> Iterator[Passage]:
    chapter = ""
    for line in printed.splitlines():
        if found := _VERSE.match(line):
            yield Passage(f"{chapter}:{found[1]}", found[2], chapter)
        elif found := _CHAPTER.match(line):
            chapter = found[0]


def build_gcide(
    out: Path, *, folder: Path = DICTD, allowed: frozenset[str] = DEFAULT, force: bool = False
) -> Path:
    """Write the definitions of GCIDE to `out`, "headword: definition" a passage.

    Raises:
        OrnsteinError: its licence, the GPL, is not in `allowed`, which it is not unless you say so; or the package
            dict-gcide is absent or damaged.
    """
    if GPL not in allowed:
        raise OrnsteinError(
            f"dict-gcide is under {GPL}, which is not among the allowed licences: if a model under its terms suits "
            f"you, add --licences default,{GPL}"
        )
    return write_pack(
        out, "gcide", _entries(folder), licence=GPL, holder="GCIDE contributors", source="dict-gcide", force=force
    )  # fmt: skip


def _entries(folder: Path) -> Iterator[Passage]:
    """First definition of every headword that starts with a letter."""
    try:
        text = gzip.decompress((folder / "gcide.dict.dz").read_bytes())
        index = (folder / "gcide.index").read_text(encoding="utf-8").splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise OrnsteinError(
            "dict-gcide is absent or damaged: install it with `apt-get install dict-gcide`"
        ) from error
    taken: set[tuple[int, int]] = set()
    for line in index:
        headword, start, length = line.split("\t")[:3]
        place = _number(start), _number(length)
        if headword[:1].isalpha() and place not in taken:
            taken.add(place)
            entry = text[place[0] : sum(place)].decode("utf-8", "replace")
            if definition := clean(entry):
                yield Passage(headword, f"{headword.lower()}: {definition}", headword.lower())


def _number(digits: str) -> int:
    """A number of a dictd index: base 64, most significant first (dictd(8), "DATABASE FORMAT")."""
    value = 0
    for digit in digits:
        value = 64 * value + _DIGITS[digit]
    return value


def clean(entry: str) -> str:
    """The definitions of an entry in one line: no head line, pronunciation, origin, source marks or quotations."""
    before = None
    while entry != before:  # [1913 Webster], [Obs.], origins; brackets stand in brackets
        before, entry = entry, re.sub(r"\[[^][]*\]", "", entry)
    _, _, body = entry.partition("\n")
    body = re.sub(r'"[^"]*"\s*--[^\n]*', "", body)  # quotations and whom they are of
    body = re.sub(r"\s*--\s?[A-Z][\w. ]*", "", body)
    body = body.split("Syn:")[0].split("Note:")[0]
    body = re.sub(r"[{}]", "", body)
    text = " ".join(body.split()).strip(" ;,")
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rsplit(". ", 1)[0].rsplit(" ", 1)[0] + "."
    return text if len(text) > 12 else ""
