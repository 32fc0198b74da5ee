"""Write a pack: sorted rows, pictures in shards, a header that holds every hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ornstein.data import manifest
from ornstein.data.atomic import new_folder
from ornstein.data.manifest import Row
from ornstein.data.pack import HEADER, MANIFEST, Header, Pack, Shard
from ornstein.errors import OrnsteinError

SHARD_BYTES = 32 * 2**20
NO_DOUBLES, FORGOTTEN = "left out: duplicates", "left out: forgotten"  # notes


def write_pack(
    target: Path,
    *,
    name: str,
    size: int,
    channels: int,
    items: Sequence[tuple[Row, bytes]],
    variants: Sequence[str] = ("",),
    notes: dict[str, int] | None = None,
    force: bool = False,
) -> Path:
    """Write `items`, each a row and the file bytes of its picture, to the folder `target`; return it.

    All or nothing. Raises OrnsteinError for no items, a repeated id or a full disk, UsageError when the
    target exists and `force` is not given.
    """
    items = sorted(items, key=lambda item: item[0].id)
    if not items:
        raise OrnsteinError(f"nothing to pack for {target}: no picture was left")
    if len({row.id for row, _ in items}) != len(items):
        raise OrnsteinError("two pictures have the same id: rename one of them")
    with new_folder(target, force=force) as folder:
        shards = [_write_shard(folder, number, part) for number, part in enumerate(_parts(items))]
        rows = [row for row, _ in items]
        manifest.write(rows, folder / MANIFEST)
        header = Header(
            format=1,
            name=name,
            size=size,
            channels=channels,
            rows=len(rows),
            fingerprint=manifest.root_hash(rows),
            manifest=_sha256(folder / MANIFEST),
            shards=tuple(shards),
            variants=tuple(variants),
            notes=notes or {},
        )
        (folder / HEADER).write_text(header.model_dump_json(indent=2) + "\n")
    return Path(target)


def rewritten(pack: Pack, out: Path, ids: set[str], note: str, force: bool = False) -> Path:
    """Write a pack without some of its pictures to `out`; `note` says in its header how many.

    Raises UsageError when the folder exists and `force` is not given, OrnsteinError when nothing is left.
    """
    items = [(row, pack.file_bytes(place)) for place, row in enumerate(pack.rows()) if row.id not in ids]
    notes = {**pack.header.notes, note: pack.header.notes.get(note, 0) + len(ids)}
    return write_pack(
        out, name=pack.name, size=pack.size, channels=pack.channels, items=items, variants=pack.variant_names,
        notes=notes, force=force,
    )  # fmt: skip


def _parts(items: Sequence[tuple[Row, bytes]]) -> Iterator[list[tuple[Row, bytes]]]:
    """Cut the items into runs of at most SHARD_BYTES of pictures."""
    part: list[tuple[Row, bytes]] = []
    held = 0
    for item in items:
        if part and held + len(item[1]) > SHARD_BYTES:
            yield part
            part, held = [], 0
        part.append(item)
        held += len(item[1])
    yield part


def _write_shard(folder: Path, number: int, part: Sequence[tuple[Row, bytes]]) -> Shard:
    pa = manifest.arrow()
    file = f"shard-{number:05d}.parquet"
    schema = pa.schema([("id", pa.string()), ("picture", pa.binary())])
    columns = {"id": [row.id for row, _ in part], "picture": [data for _, data in part]}
    # The pictures are compressed already; a second pass would cost time at every open and save nothing.
    pa.parquet.write_table(
        pa.table(columns, schema=schema), folder / file, compression="none", use_dictionary=False
    )
    return Shard(file=file, sha256=_sha256(folder / file), rows=len(part))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
