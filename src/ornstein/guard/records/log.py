"""The log: written to before and after everything that is generated, searched, erased from, pruned."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ornstein.config import parse
from ornstein.errors import UsageError
from ornstein.guard.policy import Records
from ornstein.guard.records import entry as entries
from ornstein.guard.records import removal
from ornstein.guard.records.entry import Entry, Event, entry_values, hash_prompt, stamp
from ornstein.guard.records.files import HEAD, RecordError, disk, locked, read_object, segment_files, snapshot
from ornstein.guard.records.verify import Problem, walk
from ornstein.guard.records.writer import Writer
from ornstein.shelf import home


def default_folder() -> Path:
    """Where the log is kept unless somebody says otherwise: beside the user's bundles."""
    return home().parent / "records"


class RecordLog:
    """A folder of entries, each chained to the one before and sealed with the log's key.

    Several processes and threads may write at once. An entry is on the disk when ``append`` returns. What an append
    costs does not grow with the log; the first of a day also prunes what the policy no longer keeps.
    """

    def __init__(self, writer: Writer, kept: Records) -> None:
        self.folder, self._writer, self._kept = writer.folder, writer, kept

    @classmethod
    def open(cls, folder: Path | None = None, kept: Records | None = None) -> RecordLog:
        """The log in a folder (``default_folder``), begun where there is none, kept as the policy says.

        Raises:
            RecordError: it cannot be made or read, or its key is missing.
        """
        folder = folder or default_folder()
        with disk(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(folder):
                return cls(Writer.begin(folder), kept or Records())

    @classmethod
    def existing(cls, folder: Path | None = None, kept: Records | None = None) -> RecordLog:
        """As ``open``, of a log that must be there. Raises RecordError: there is none."""
        require(folder or default_folder())
        return cls.open(folder, kept)

    def append(self, event: Event) -> Entry:
        """Write one entry; as ``extend``."""
        return self.extend([event])[0]

    def extend(self, events: Sequence[Event]) -> list[Entry]:
        """Write entries, all or none, and wait for the disk once.

        Raises:
            RecordError: the disk refuses, another process holds the log for too long, or the log is damaged. Nothing
                may be generated then.
        """
        with disk(self.folder), locked(self.folder):
            values = [entry_values(event, self._kept, self._writer.key) for event in events]
            written = self._writer.write(values)
            self._prune_daily()
        return written

    def tip(self) -> tuple[int, str]:
        """Number and hash of the last entry: noted elsewhere, it is an anchor for ``verify``."""
        with disk(self.folder), locked(self.folder):
            head = self._writer.tip().head
        return head.count, head.hash

    def hash(self, prompt: str) -> str:
        """The keyed hash that stands for a prompt in this log: the same for the same prompt, and only here."""
        return hash_prompt(self._writer.key, prompt)

    def read(self, wanted: Callable[[Entry], bool] = lambda _: True, containing: str = "") -> Iterator[Entry]:
        """As the function ``read``."""
        return read(self.folder, wanted, containing)

    def of_output(self, digest: str) -> Entry | None:
        """The entry of a file that was written here, by its sha256; None for one that was not, or is no longer kept."""
        return next(self.read(lambda entry: digest in entry.outputs, digest), None)

    def erase(
        self,
        reason: str,
        *,
        request: str | None = None,
        prompt: str | None = None,
        before: datetime | None = None,
    ) -> int:
        """Take away what is personal in some entries, and write that it was done; the chain still holds.

        Args:
            reason: stays in the log; it must not be personal itself.
            request: erase the entries of this request,
            prompt: or of every request with this prompt,
            before: or all that are older.

        Returns:
            How many entries lost their payload.

        Raises:
            UsageError: not one of the three is given, or nothing fits. RecordError: as ``extend``.
        """
        if sum(which is not None for which in (request, prompt, before)) != 1:
            raise UsageError("say what to erase: a request, a prompt or a date")
        if not reason.strip():
            raise UsageError("say why it is erased: the reason stays in the log")
        with disk(self.folder), locked(self.folder):
            hint = '"payload":' if request is None else json.dumps(request)
            held = [entry for entry in self.read(containing=hint) if entry.payload is not None]
            if before is not None:
                chosen = [entry.sequence for entry in held if entry.time < stamp(before)]
            else:
                requests = self._asked(held, prompt) if prompt is not None else {request}
                chosen = [entry.sequence for entry in held if entry.request in requests]
            if not chosen:
                raise UsageError("nothing to erase: no entry that still has its payload fits")
            removal.erase(self._writer, chosen, reason.strip()[:500])
        return len(chosen)

    def prune(self) -> tuple[int, int]:
        """Take away what is older than the policy's days: payloads, and segments of which nothing is younger.

        Returns:
            How many payloads and how many whole entries went.

        Raises:
            RecordError: as ``extend``.
        """
        with disk(self.folder), locked(self.folder):
            return removal.prune(self._writer, self._kept.days)

    def _asked(self, held: Sequence[Entry], prompt: str) -> set[str | None]:
        """Requests with this prompt, or negative prompt, in clear or hashed."""
        hashed, text = hash_prompt(self._writer.key, prompt), " ".join(prompt.split())
        found: set[str | None] = set()
        for entry in held:
            kept = entry.payload
            assert kept is not None
            clear = (" ".join(known.split()) for known in (kept.prompt, kept.negative) if known)
            if hashed in (kept.prompt_hash, kept.negative_hash) or text in clear:
                found.add(entry.request)
        return found

    def _prune_daily(self) -> None:
        """Once a day. What was to be recorded has been, so a failure is told, and tried again at the next entry."""
        today = entries.now().date().isoformat()
        if self._kept.days is None or self._writer.tip().head.pruned == today:
            return
        try:
            removal.prune_quickly(self._writer, self._kept.days)
            self._writer.write_head(self._writer.tip().head.model_copy(update={"pruned": today}))
        except (RecordError, OSError) as error:
            warnings.warn(f"the records were not pruned: {error}", stacklevel=3)


def require(folder: Path) -> None:
    """Raise RecordError where a folder holds no log."""
    if not (folder / HEAD).exists() and not segment_files(folder):
        raise RecordError(f"there are no records in {folder}")


def verify(folder: Path, anchor: tuple[int, str] | None = None) -> list[Problem]:
    """What is not as it was written, in the order of the files; nothing where all is well.

    Args:
        folder: of a log; it need not be writable.
        anchor: number and hash of an entry, noted elsewhere.

    Raises:
        RecordError: there is no log, or the disk refuses.
    """
    require(folder)
    with disk(folder):
        return walk(folder, anchor).problems


def read(
    folder: Path, wanted: Callable[[Entry], bool] = lambda _: True, containing: str = ""
) -> Iterator[Entry]:
    """Entries in order, unverified.

    Args:
        folder: of a log.
        wanted: which ones.
        containing: ASCII text that their lines hold; a line without it is not even parsed.

    Raises:
        RecordError: no log, or a line that is no entry.
    """
    require(folder)
    needle = containing.encode()
    with disk(folder), snapshot(folder) as (segments, _):
        for segment in segments:
            for number, line in segment.lines():
                if needle not in line:
                    continue
                try:
                    found = parse(Entry, read_object(line.removesuffix(b"\n")))
                except ValueError:
                    place = f"{segment.path} line {number}"
                    raise RecordError(f"{place} is no entry: see ornstein records verify") from None
                if wanted(found):
                    yield found
