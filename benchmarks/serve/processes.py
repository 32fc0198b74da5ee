"""Services as processes: started, waited for, looked at, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

READY_WITHIN = 120.0  # seconds
BARE = Path(__file__).with_name("bare.yaml")


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        name: of it. url: where it listens. process: that was started. started: seconds until it was ready.
        home: its own folder of keys, records and books.
    """

    name: str
    url: str
    process: subprocess.Popen[bytes]
    started: float
    home: Path

    @property
    def megabytes(self) -> float:
        """Resident memory now."""
        text = Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def kill(self) -> None:
        """At once, without a word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ours(policy: Path | None = None, *more: str) -> list[str]:
    """The command of Ornstein's service, under the shipped policy where none is named."""
    return [
        sys.executable,
        "-m",
        "ornstein",
        "serve",
        "emoji",
        *more,
        *(["--policy", str(policy)] if policy else []),
    ]


@contextmanager
def running(
    name: str, command: list[str], home: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """A service on a free port, with a folder of its own, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        place, port = home or Path(folder), free_port()
        settings = os.environ | {"ORNSTEIN_HOME": str(place / "models"), **(environment or {})}
        begun = time.perf_counter()
        process = subprocess.Popen([*command, "--port", str(port)], env=settings, stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(process, url, begun)
            yield Service(name, url, process, time.perf_counter() - begun, place)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], url: str, begun: float) -> None:
    while time.perf_counter() - begun < READY_WITHIN:
        if process.poll() is not None:
            sys.exit(f"a service ended with exit status {process.returncode} before it was ready")
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    sys.exit(f"a service was not ready within {READY_WITHIN:.0f} s")
