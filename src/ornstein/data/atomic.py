"""Write beside the target, then rename: a reader sees the whole output or none of it."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ornstein.errors import OrnsteinError, UsageError


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{threading.get_ident()}.{os.getpid()}.part")


def _sweep(target: Path) -> None:
    """Remove what writers of `target` left when they were killed (their process no longer lives)."""
    for left in target.parent.glob(f".{target.name}.*.part"):
        pid = left.name.removesuffix(".part").rpartition(".")[2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc").is_dir():
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn SIGTERM into SystemExit while the body runs, so that clean-up happens."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def new_folder(target: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` when the body ends well and vanishes otherwise.

    Raises UsageError when `target` exists and `force` is not given, OrnsteinError when the disk refuses.
    """
    target = Path(os.path.abspath(target))
    if target.exists() and not force:
        raise UsageError(f"{target} exists already: choose another --out, or replace it with --force")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        part = _temporary(target)
        part.mkdir()
    except OSError as error:
        raise OrnsteinError(f"cannot write {target}: {error.strerror or error}") from error
    try:
        with _interruptible():
            yield part
            _swap(part, target)
    except OSError as error:
        raise OrnsteinError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _swap(part: Path, target: Path) -> None:
    """Put `part` in the place of `target`; what stood there is deleted only after it was moved away."""
    if not target.exists():
        part.rename(target)
        return
    old = target.with_name(f".{target.name}.old.{os.getpid()}.part")
    target.rename(old)
    part.rename(target)
    shutil.rmtree(old) if old.is_dir() else old.unlink()


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Yield a path to write; it replaces `target` when the body ends well and vanishes otherwise."""
    part = _temporary(target)
    try:
        with _interruptible():
            yield part
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` the same file as `source` where the file system can, else a copy of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source = source.resolve()  # the hub's cache is made of symbolic links
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
