"""Get a pinned npm package as an archive: no script of it runs, and nothing of it is trusted but its hash."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ornstein.errors import OrnsteinError

MEMBER_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Package:
    """A package, its exact version and the sha256 of its archive."""

    name: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """The name that `npm pack` gives to the archive."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def archive(package: Package, cache: Path | None, scratch: Path) -> Path:
    """Return the package's archive: out of `cache`, else got by npm into `cache` or `scratch`.

    Raises OrnsteinError: npm absent, npm failed, or the archive is not the pinned one.
    """
    if cache is not None and (found := cache / package.file).is_file():
        _verify(found, package)
        return found
    got = _npm_pack(package, scratch)
    _verify(got, package)
    if cache is None:
        return got
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f".{package.file}.part"
    shutil.copyfile(got, part)
    return part.replace(cache / package.file)


def read(path: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the files of an archive for whose path (without the leading "package/") `wanted` says yes.

    Members are read in memory, never unpacked to the disk. Raises OrnsteinError for a damaged archive.
    """
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|gz") as tar:
            for member in tar:
                name = member.name.removeprefix("package/")
                if not member.isfile() or not wanted(name):
                    continue
                if member.size > MEMBER_BYTES:
                    raise OrnsteinError(f"{path}: {name} has {member.size} bytes, which no set needs")
                stream = tar.extractfile(member)
                files[name] = stream.read() if stream else b""
    except (tarfile.TarError, EOFError, OSError) as error:
        raise OrnsteinError(f"{path} is damaged: delete it and fetch again") from error
    return files


def _npm_pack(package: Package, folder: Path) -> Path:
    if (npm := shutil.which("npm")) is None:
        raise OrnsteinError(
            f"npm is not installed, and it gets {package}: install it (Debian: apt-get install npm), "
            f"or give --cache FOLDER holding {package.file}"
        )
    command = [npm, "pack", str(package), "--ignore-scripts", "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    path = folder / package.file
    if done.returncode or not path.is_file():
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise OrnsteinError(f"npm could not get {package}: {why}")
    return path


def _verify(path: Path, package: Package) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != package.sha256:
        raise OrnsteinError(f"{path} is not the pinned {package} (sha256 {found[:12]}…): delete it")
