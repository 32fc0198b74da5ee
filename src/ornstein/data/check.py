"""Look before training: what in a folder or a pack is broken, doubled, nameless or dangerous."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from PIL import Image
from pydantic import BaseModel

from ornstein.data import folder as folders
from ornstein.data import manifest, pixels
from ornstein.data.duplicates import Doubles, require_extra, signature
from ornstein.data.manifest import TRAIN
from ornstein.data.pack import HEADER, MANIFEST, Pack
from ornstein.data.progress import track
from ornstein.data.reader import BadPictureError, read_picture

_SIDE = 64
_MAX_PAIRS = 10_000  # listed


class Finding(BaseModel):
    """A file and what is wrong with it."""

    path: str
    why: str


class Report(BaseModel):
    """What a check found. `errors` decide the exit code; the rest is for the owner to judge."""

    folder: str
    kind: str
    pictures: int = 0
    unreadable: list[Finding] = []
    bombs: list[Finding] = []
    missing_captions: list[str] = []
    wrong_hashes: list[str] = []
    leaks: list[list[str]] = []
    sizes: dict[str, int] = {}
    licences: dict[str, int] = {}
    exact_duplicates: list[list[str]] = []
    near_duplicates: list[list[str]] = []

    @property
    def errors(self) -> int:
        """How many findings stand in the way of training."""
        found = (self.unreadable, self.bombs, self.missing_captions, self.wrong_hashes, self.leaks)
        return sum(len(part) for part in found)


def check(folder: Path) -> Report:
    """Check a folder of pictures or a pack. Raises UsageError when there is nothing to check."""
    require_extra()
    return _check_pack(folder) if (folder / HEADER).is_file() else _check_folder(folder)


def _check_folder(folder: Path) -> Report:
    listing = folders.scan(folder)
    report = Report(folder=str(folder), kind="folder", missing_captions=listing.uncaptioned)
    report.unreadable = [Finding(path=problem.path, why=problem.why) for problem in listing.problems]
    licences: Counter[str] = Counter(entry.facts.get("licence", "none given") for entry in listing.entries)
    paths = {entry.id: entry.path for entry in listing.entries}
    paths |= {name: folder / name for name in listing.uncaptioned}
    names, digests, pictures, sizes = [], [], [], Counter[str]()
    for name, path in track(sorted(paths.items()), "checking", len(paths)):
        try:
            picture = read_picture(path, _SIDE)
            with Image.open(path) as image:
                sizes[f"{image.width}x{image.height}"] += 1
            digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
        except BadPictureError as error:
            (report.bombs if error.bomb else report.unreadable).append(Finding(path=name, why=str(error)))
            continue
        except OSError as error:
            report.unreadable.append(Finding(path=name, why=str(error.strerror or error)))
            continue
        names.append(name)
        pictures.append(signature(picture))
    report.pictures = len(paths)
    report.sizes, report.licences = _ordered(sizes), _ordered(licences)
    _duplicates(report, names, Doubles.of(digests, pictures))
    return report


def _check_pack(folder: Path) -> Report:
    pack = Pack.open(folder)  # a wrong hash of a file is one error that says all
    rows = pack.rows()
    report = Report(folder=str(folder), kind="pack", pictures=len(rows))
    if manifest.root_hash(rows) != pack.fingerprint:
        report.wrong_hashes.append(f"{MANIFEST}: its rows do not have the fingerprint in {HEADER}")
    report.licences = _ordered(Counter(row.licence or "none given" for row in rows))
    report.sizes = {f"{pack.size}x{pack.size}": len(rows)}
    report.missing_captions = [row.id for row in rows if not row.captions or not row.captions[0]]
    names, digests, pictures = [], [], []
    for index, row in track(enumerate(rows), "checking", len(rows)):
        data = pack.file_bytes(index)
        if hashlib.sha256(data).hexdigest() != row.sha256:
            report.wrong_hashes.append(row.id)
            continue
        try:
            picture = pixels.decode(data, pack.channels)
        except (OSError, ValueError, SyntaxError) as error:
            report.unreadable.append(Finding(path=row.id, why=str(error)))
            continue
        names.append(row.id)
        digests.append(hashlib.sha256(picture.tobytes()).hexdigest())
        pictures.append(signature(picture))
    _duplicates(report, names, Doubles.of(digests, pictures))
    held = {row.id: row.split != TRAIN for row in rows}
    report.leaks = [group for group in report.exact_duplicates if len({held[name] for name in group}) == 2]
    return report


def _duplicates(report: Report, names: Sequence[str], doubles: Doubles) -> None:
    """Fill in groups of equal pictures and, among the others, pairs that look alike."""
    report.exact_duplicates = [[names[place] for place in group] for group in doubles.exact]
    near = islice(doubles.near(), _MAX_PAIRS)
    report.near_duplicates = [[names[here], names[other]] for here, other in near]


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())
