"""``ornstein serve``: what it refuses to start with, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from ornstein.serve.books import Books
from tests.small import Command, bundle, ornstein

__all__ = ["bundle", "ornstein"]


def _one_line(said: object, code: int, *hints: str) -> None:
    assert said.code == code, said
    lines = said.err.strip().splitlines()
    assert len(lines) == 1, said.err
    assert all(hint in lines[0] for hint in hints), lines[0]


def test_what_it_cannot_start_with_is_one_line(ornstein: Command, bundle: Path, tmp_path: Path) -> None:
    books = ("--database", f"sqlite:///{tmp_path / 'b.sqlite3'}", "--store", tmp_path / "store")
    _one_line(ornstein("serve", "emojy", *books), 1, "emojy", "emoji")
    _one_line(ornstein("serve", tmp_path / "nothing", *books), 1, "nothing")
    _one_line(ornstein("serve", bundle, bundle, *books), 2, "two of the models", "small")
    _one_line(ornstein("serve", bundle, "--policy", tmp_path / "none.yaml", *books), 1, "none.yaml")
    broken = tmp_path / "policy.yaml"
    broken.write_text("version: 1\nname: x\npromt: {}\n")
    _one_line(ornstein("serve", bundle, "--policy", broken, *books), 2, "promt", "prompt")
    _one_line(ornstein("serve", bundle, "--host", "0.0.0.0", *books), 2, "ornstein keys create")
    _one_line(ornstein("serve", bundle, "--database", "mysql://x"), 2, "sqlite")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _one_line(ornstein("serve", bundle, "--port", port, *books), 1, str(port), "in use")


def test_a_database_that_is_down_is_one_line(ornstein: Command, bundle: Path) -> None:
    pytest.importorskip("psycopg")
    url = "postgresql+psycopg://nobody@127.0.0.1:9/none"
    began = time.monotonic()
    said = ornstein("serve", bundle, "--database", url)
    _one_line(said, 1)
    assert time.monotonic() - began < 10


def _started(bundle: Path, folder: Path, *more: str) -> tuple[subprocess.Popen[bytes], str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ornstein", "serve", str(bundle), "--port", str(port), *more]
    command += ["--database", f"sqlite:///{folder / 'b.sqlite3'}", "--store", str(folder / "store")]
    return subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ), f"http://127.0.0.1:{port}"


def _ready(address: str) -> set[int]:
    """Statuses that /health had until it was well."""
    seen: set[int] = set()
    ends = time.monotonic() + 90
    while 200 not in seen:
        assert time.monotonic() < ends
        try:
            seen.add(httpx.get(f"{address}/health").status_code)
        except httpx.TransportError:
            time.sleep(0.05)
    return seen


@pytest.mark.slow
def test_it_answers_while_it_loads_finishes_what_runs_and_ends_well(bundle: Path, tmp_path: Path) -> None:
    process, address = _started(bundle, tmp_path, "--log-format", "json")
    assert _ready(address) <= {200, 503}
    asked = {"prompt": "a cow", "num_inference_steps": 20}
    with httpx.Client(timeout=30) as client, client.stream(
        "POST", f"{address}/v1/images/generations", json={**asked, "stream": True, "partial_images": 3}
    ) as reply:  # fmt: skip
        events = reply.iter_lines()
        next(events)
        process.send_signal(signal.SIGTERM)
        assert any("image_generation.completed" in line for line in events)
    assert process.wait(30) == 0
    said = process.stderr.read().decode()
    assert "Traceback" not in said
    assert "a cow" not in said


@pytest.mark.slow
def test_what_was_killed_is_lost_what_was_answered_is_not(bundle: Path, tmp_path: Path) -> None:
    process, address = _started(bundle, tmp_path)
    _ready(address)
    done = httpx.post(f"{address}/v1/images/generations", json={"prompt": "a cow"}, timeout=30).json()[
        "data"
    ][0]["id"]
    with httpx.Client(timeout=30) as client, client.stream(
        "POST", f"{address}/v1/images/generations",
        json={"prompt": "x", "num_inference_steps": 900, "stream": True, "partial_images": 3},
    ) as reply:  # fmt: skip
        next(reply.iter_raw())
        process.kill()
    process.wait(10)
    again, address = _started(bundle, tmp_path)
    try:
        _ready(address)
        assert httpx.get(f"{address}/v1/outputs/{done}/content").content.startswith(b"\x89PNG")
        outcomes = [line["outcome"] for line in httpx.get(f"{address}/v1/history").json()["data"]]
        assert outcomes == ["lost", "done"]
        Books.open(f"sqlite:///{tmp_path / 'b.sqlite3'}", store=str(tmp_path / "store")).check()
    finally:
        again.kill()
