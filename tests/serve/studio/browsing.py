"""A real server with the shipped model, and a real browser that looks at it."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Page, expect

from ornstein.serve.api import create_app
from ornstein.serve.api.forming import picture_of
from ornstein.serve.books import Limits
from ornstein.serve.opening import open_service
from ornstein.serve.service import Service
from ornstein.shelf import find

POLICY = """
version: 1
name: tests
prompt:
  checkers: []
  rules:
    - {id: weapons, lists: [weapons], reason: instructions for weapons are not made here}
    - {id: marks, lists: [marks], action: transform, replace: unbranded, reason: a trade mark was left out}
input: {checkers: []}
output: {checkers: [], copies: COPIES}
publish: {watermark: null}  # its key would decide what a seed draws
records: {prompts: PROMPTS, days: 30}
"""
expect.set_options(timeout=30_000)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 60  # until a server is there


@dataclass(frozen=True)
class Site:
    """A server that runs: its address and, for what only it knows, its service."""

    url: str
    service: Service

    def key(self, name: str, **limits: int) -> str:
        """The secret of a new key."""
        return self.service.books.keys.create(name, ("generate", "edit", "read"), Limits(**limits))[1]

    def pictures(self, key: str = "local") -> list[np.ndarray]:
        """All of a key's, the latest request's first, uint8 (H, W, 4) premultiplied."""
        return [
            picture_of(self.service.store.get(made.sha256))
            for entry in self.service.books.history(key)
            for made in entry.outputs
        ]


@contextmanager
def serving(
    folder: Path, keys: bool = False, copies: str = "{action: allow}", prompts: str = "clear",
    bundles: Sequence[Path] = (),
) -> Iterator[Site]:  # fmt: skip
    """The studio and the API on a free port, on books and a store of their own; with `keys` nobody is let in without.

    `copies` is what the policy does with pictures that are near to a training picture; here they may pass, so that no
    test hangs on a seed.
    """
    policy = folder / "policy.yaml"
    policy.write_text(POLICY.replace("COPIES", copies).replace("PROMPTS", prompts))
    bundles = bundles or [find("emoji")]
    service = open_service(bundles, policy, f"sqlite:///{folder / 'books.sqlite'}", str(folder / "store"))
    if keys:
        service.local = None
    service.load(bundles)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(create_app(service), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        ends = time.monotonic() + SECONDS
        while not server.started and time.monotonic() < ends:
            time.sleep(0.05)
        yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}", service)
        server.should_exit = True
        thread.join(SECONDS)


def browser_path() -> str:
    """The installed browser; the test is skipped where there is none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    return found


def done(page: Page) -> None:
    """Wait until the newest set is."""
    expect(page.locator("article.set").first.get_by_role("status")).to_contain_text("Done")


def generate(page: Page, prompt: str, count: int = 1) -> None:
    """Ask for pictures by the form, and wait for them."""
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_label(str(count), exact=True).check()
    page.keyboard.press("Control+Enter")
    done(page)


NAMELESS = (Path(__file__).parent / "nameless.js").read_text()
FAINT = (Path(__file__).parent / "faint.js").read_text()
WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
"""Pixels by which the page is wider than its window."""
