"""A real PostgreSQL server in a folder of its own, reached through a socket; stopped and started at will."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

SETTINGS = {"listen_addresses": "", "fsync": "off", "max_connections": "60", "shared_buffers": "16MB"}


class PostgresServer:
    """As the user `postgres` where the tests run as root, which PostgreSQL refuses to run as."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="orn-pg-"))  # short: a socket's path has 107 characters
        self.folder.chmod(0o755)
        self._user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._user:
            shutil.chown(self.folder, "postgres")
        self._run("initdb", "-D", self._data, "-U", "ornstein", "-A", "trust", "-E", "UTF8", "--no-sync")

    @classmethod
    def installed(cls) -> bool:
        """Whether there is a server to run."""
        return _program("initdb") is not None

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def start(self) -> None:
        """Start, and wait until it answers."""
        settings = {**SETTINGS, "unix_socket_directories": str(self.folder)}
        told = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in settings.items())
        self._run("pg_ctl", "-D", self._data, "-w", "-l", str(self.folder / "log"), "-o", told, "start")

    def stop(self) -> None:
        """Stop at once; whoever is connected is cut off."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def database(self) -> str:
        """The URL of a database that has just been emptied; there is one, because making them takes long."""
        with psycopg.connect(
            f"host={self.folder} user=ornstein dbname=postgres", autocommit=True
        ) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return f"postgresql+psycopg://ornstein@/postgres?host={self.folder}"

    def remove(self) -> None:
        """Stop and delete it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        found = _program(program)
        assert found is not None
        done = subprocess.run(
            [*self._user, found, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", timeout=60,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()


def _program(name: str) -> str | None:
    """Debian keeps the server's programs beside the path."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((str(place / name) for place in places if (place / name).exists()), None) or shutil.which(
        name
    )
