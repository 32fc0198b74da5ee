"""Look before training: what in a folder or a pack is broken, doubled, nameless or dangerous."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import BaseModel

from ornstein.data import folder as folders
from ornstein.data import manifest, pixels
from ornstein.data.manifest import TRAIN
from ornstein.data.pack import HEADER, MANIFEST, Pack
from ornstein.data.progress import track
from ornstein.data.reader import BadPictureError, read_picture
from ornstein.errors import MissingExtraError

_SIDE = 64
_HASH_BITS = 4  # perceptual hashes, of 64 bits, that differ in no more are candidates
_COLOUR = 16  # and their 8 x 8 averages must agree to this many of 255, or all flags would be one
_MAX_PAIRS = 10_000


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
    imagehash = _imagehash()
    return _check_pack(folder, imagehash) if (folder / HEADER).is_file() else _check_folder(folder, imagehash)


def _check_folder(folder: Path, imagehash: Any) -> Report:
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
        pictures.append(_signature(picture, imagehash))
    report.pictures = len(paths)
    report.sizes, report.licences = _ordered(sizes), _ordered(licences)
    _duplicates(report, names, digests, pictures)
    return report


def _check_pack(folder: Path, imagehash: Any) -> Report:
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
        pictures.append(_signature(picture, imagehash))
    _duplicates(report, names, digests, pictures)
    held = {row.id: row.split != TRAIN for row in rows}
    report.leaks = [group for group in report.exact_duplicates if len({held[name] for name in group}) == 2]
    return report


def _signature(picture: np.ndarray, imagehash: Any) -> tuple[np.uint64, np.ndarray]:
    """Return a 64-bit perceptual hash and an 8 x 8 colour average, both of the picture on white."""
    wide = picture.astype(np.uint16)
    flat = wide if picture.shape[-1] == 1 else wide[..., :3] + (255 - wide[..., 3:])
    flat = np.broadcast_to(flat.astype(np.uint8), (*picture.shape[:2], 3))
    bits = imagehash.phash(Image.fromarray(np.ascontiguousarray(flat))).hash
    average = pixels.area(flat[None], 8)[0].astype(np.int16).ravel()
    return np.packbits(bits.ravel()).view(np.uint64)[0], average


def _duplicates(
    report: Report,
    names: Sequence[str],
    digests: Sequence[str],
    signatures: Sequence[tuple[np.uint64, np.ndarray]],
) -> None:
    """Fill in groups of equal pictures and, among the others, pairs that look alike."""
    groups: dict[str, list[int]] = {}
    for place, digest in enumerate(digests):
        groups.setdefault(digest, []).append(place)
    report.exact_duplicates = [[names[p] for p in places] for places in groups.values() if len(places) > 1]
    first = [places[0] for places in groups.values()]
    if not first:
        return
    hashes = np.array([signatures[place][0] for place in first])
    averages = np.stack([signatures[place][1] for place in first])
    for here in range(len(first) - 1):
        bits = np.bitwise_count(hashes[here + 1 :] ^ hashes[here])
        close = here + 1 + np.flatnonzero(bits <= _HASH_BITS)
        close = close[np.abs(averages[close] - averages[here]).max(axis=1, initial=0) <= _COLOUR]
        report.near_duplicates += [[names[first[here]], names[first[other]]] for other in close.tolist()]
        if len(report.near_duplicates) > _MAX_PAIRS:
            del report.near_duplicates[_MAX_PAIRS:]
            return


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())


def _imagehash() -> Any:
    try:
        import imagehash
    except ImportError as error:
        raise MissingExtraError("checking data", "data") from error
    return imagehash
