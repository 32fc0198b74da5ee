"""A pack: a folder of licensed pictures with captions, made once and read by every training.

pack.json           header: name, size, hashes of all other files
manifest.parquet    one Row a picture
shard-00000.parquet id and lossless picture file, in the order of the manifest
decoded-64.u8       optional: all pictures as premultiplied bytes, made by `Pack.decode`
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ornstein.data import manifest, pixels
from ornstein.data.atomic import new_file
from ornstein.data.manifest import Row
from ornstein.errors import OrnsteinError, UsageError, nearest

HEADER, MANIFEST = "pack.json", "manifest.parquet"


class Shard(BaseModel):
    """One file of pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: str
    sha256: str
    rows: int


class Header(BaseModel):
    """What `pack.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int
    name: str
    size: int
    channels: int
    rows: int
    fingerprint: str
    manifest: str
    shards: tuple[Shard, ...]
    variants: tuple[str, ...]
    notes: dict[str, int]


class Pack:
    """Read access to a pack. Rows are numbered 0 to len - 1 in the order of their ids.

    Codes are int32 (N,): `concepts` indexes `concept_names`, `styles` `style_names`, `families`
    `family_names`, `variants` `variant_names`; `splits` is an array of str (N,).
    """

    def __init__(self, folder: Path, header: Header, table: Any, files: list[Path]) -> None:
        self.folder, self.header = folder, header
        self.name, self.size, self.channels = header.name, header.size, header.channels
        self.fingerprint = header.fingerprint
        self._table, self._files = table, files
        self.ids: list[str] = table.column("id").to_pylist()
        self._captions: list[list[str]] = table.column("captions").to_pylist()
        self.splits: np.ndarray = np.asarray(table.column("split").to_pylist(), dtype=np.str_)
        self.concept_names, self.concepts = _codes(table, "concept")
        self.style_names, self.styles = _codes(table, "style")
        self.family_names, self.families = _codes(table, "family")
        self.variant_names = list(header.variants)
        self.variants: np.ndarray = table.column("variant").to_numpy().astype(np.int32)
        self._decoded: np.ndarray | None = None

    @classmethod
    def open(cls, folder: Path | str, *, verify: bool = True) -> Pack:
        """Open a pack. Raises OrnsteinError: not a pack, a missing file, a file that is not the hashed one.

        `verify=False` skips the hashes (for a process that knows another has just checked them).
        """
        folder = Path(folder)
        header = _read_header(folder)
        files = [folder / MANIFEST] + [folder / shard.file for shard in header.shards]
        hashes = [header.manifest] + [shard.sha256 for shard in header.shards]
        for file, expected in zip(files, hashes, strict=True):
            _check_file(file, expected, verify)
        table = manifest.read_table(folder / MANIFEST)
        if not table.num_rows == header.rows == sum(shard.rows for shard in header.shards):
            raise OrnsteinError(f"{folder}: header, manifest and shards disagree on the number of pictures")
        return cls(folder, header, table, files[1:])

    def __len__(self) -> int:
        return self.header.rows

    def indices(self, split: str) -> np.ndarray:
        """Return the row numbers of a split, int64 (n,), ascending. Raises UsageError for an unknown one."""
        found = np.flatnonzero(self.splits == split)
        if not len(found):
            known = sorted(set(self.splits.tolist()))
            raise UsageError(f"pack {self.name!r} has no split {split!r}{nearest(split, known)}")
        return found

    def captions(self, index: int) -> tuple[str, ...]:
        """Return the caption forms of a row; [0] is the standard one."""
        return tuple(self._captions[index])

    def rows(self) -> list[Row]:
        """Return all manifest rows."""
        return manifest.rows_of(self._table)

    def file_bytes(self, index: int) -> bytes:
        """Return the stored file of one picture: lossless WebP in straight alpha, or PNG for grey."""
        offset = 0
        for shard in self._shards:
            if index < offset + len(shard):
                return shard[index - offset].as_py()
            offset += len(shard)
        raise IndexError(index)

    def pictures(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """Return pictures, uint8 (n, size, size, channels), premultiplied; `size` defaults to the stored one.

        Smaller sizes are area averages. Raises UsageError for a size above the stored one.
        """
        size = self.size if size is None else size
        if not 1 <= size <= self.size:
            raise UsageError(f"size must be 1 to {self.size} for pack {self.name!r}, not {size}")
        self._open_decoded()
        if self._decoded is not None:
            full = self._decoded[np.asarray(indices, dtype=np.int64)]
        else:
            full = self._from_files(np.asarray(indices, dtype=np.int64))
        return pixels.area(full, size)

    def decode(self) -> np.ndarray:
        """Return all pictures, read-only uint8 (N, size, size, channels), mapped from a file beside the pack.

        The first call writes that file (16 KiB a picture at 64 px), which makes every later read a copy.
        Raises OrnsteinError when it cannot be written; `pictures` works without it, at 0.4 ms a picture.
        """
        self._open_decoded()
        if self._decoded is None:
            try:
                with new_file(self._decoded_path) as part, part.open("wb") as stream:
                    for start in range(0, len(self), 512):
                        rows = np.arange(start, min(start + 512, len(self)))
                        stream.write(self._from_files(rows).tobytes())
            except OSError as error:
                raise OrnsteinError(f"cannot write {self._decoded_path}: {error.strerror}") from error
            self._open_decoded()
        assert self._decoded is not None
        return self._decoded

    @property
    def _decoded_path(self) -> Path:
        return self.folder / f"decoded-{self.fingerprint[:16]}.u8"

    def _open_decoded(self) -> None:
        shape = (len(self), self.size, self.size, self.channels)
        path = self._decoded_path
        if self._decoded is None and path.is_file() and path.stat().st_size == np.prod(shape):
            self._decoded = np.memmap(path, dtype=np.uint8, mode="r", shape=shape)

    @cached_property
    def _shards(self) -> list[Any]:
        """The picture columns, mapped where the system allows; loaded when first needed."""
        pq = manifest.arrow().parquet
        tables = [pq.read_table(file, columns=["id", "picture"], memory_map=True) for file in self._files]
        if [name for table in tables for name in table.column("id").to_pylist()] != self.ids:
            raise OrnsteinError(f"{self.folder}: shards and manifest do not list the same pictures")
        return [table.column("picture") for table in tables]

    def _from_files(self, indices: np.ndarray) -> np.ndarray:
        out = np.empty((len(indices), self.size, self.size, self.channels), dtype=np.uint8)
        for place, index in enumerate(indices.tolist()):
            picture = pixels.decode(self.file_bytes(index), self.channels)
            if picture.shape != out.shape[1:]:
                shapes = f"{picture.shape}, not {out.shape[1:]}"
                raise OrnsteinError(f"{self.folder}: {self.ids[index]} is {shapes}")
            out[place] = picture
        return out


def _codes(table: Any, column: str) -> tuple[list[str], np.ndarray]:
    names, codes = np.unique(np.asarray(table.column(column).to_pylist(), dtype=np.str_), return_inverse=True)
    return names.tolist(), codes.astype(np.int32)


def _read_header(folder: Path) -> Header:
    path = folder / HEADER
    if not path.is_file():
        raise OrnsteinError(f"{folder} is not a pack (no {HEADER}): make one with `ornstein data fetch`")
    try:
        header = Header.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise OrnsteinError(f"{path} is not a pack header: {error.errors()[0]['msg']}") from error
    if header.format != 1:
        raise OrnsteinError(f"{path} has format {header.format}; this version reads 1: update ornstein")
    if any(Path(shard.file).name != shard.file for shard in header.shards):
        raise OrnsteinError(f"{path} names a shard outside its folder: do not trust this pack")
    return header


def _check_file(file: Path, expected: str, verify: bool) -> None:
    if not file.is_file():
        raise OrnsteinError(f"{file} is missing: fetch or pack the data again")
    if verify:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != expected:
            raise OrnsteinError(f"{file} is damaged (sha256 {found[:12]}…): fetch or pack the data again")
