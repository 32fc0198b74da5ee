"""A real server with the shipped model, and a real browser that looks at it."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import uvicorn

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
  rules: [{id: weapons, lists: [weapons], reason: instructions for weapons are not made here}]
input: {checkers: []}
output: {checkers: [], copies: COPIES}
publish: {watermark: null}  # its key would decide what a seed draws
records: {prompts: PROMPTS, days: 30}
"""
playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
Browser, Page, expect = playwright.Browser, playwright.Page, playwright.expect
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
    folder: Path, keys: bool = False, copies: str = "{action: allow}", prompts: str = "clear"
) -> Iterator[Site]:
    """The studio and the API on a free port, on books and a store of their own; with `keys` nobody is let in without.

    `copies` is what the policy does with pictures that are near to a training picture; here they may pass, so that no
    test hangs on a seed.
    """
    policy = folder / "policy.yaml"
    policy.write_text(POLICY.replace("COPIES", copies).replace("PROMPTS", prompts))
    bundle = find("emoji")
    service = open_service([bundle], policy, f"sqlite:///{folder / 'books.sqlite'}", str(folder / "store"))
    if keys:
        service.local = None
    service.load([bundle])
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


NAMELESS = """() => {
  const name = (e) => (e.getAttribute("aria-label") || [...(e.labels ?? [])].map((l) => l.textContent).join(" ")
    || e.getAttribute("alt") || e.textContent || "").trim();
  return [...document.querySelectorAll("button, a, input:not([type=hidden]), select, textarea, img, canvas[tabindex], dialog[open]")]
    .filter((e) => e.checkVisibility() && !(e.tagName === "IMG" && e.hasAttribute("alt")) && !name(e)).map((e) => e.outerHTML.slice(0, 120));
}"""
"""What can be used or seen and has no name for who cannot see it."""

FAINT = """() => {
  const canvas = document.createElement("canvas"); canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => { context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1); return context.getImageData(0, 0, 1, 1).data; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; } return rgba("white"); };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
    if (!text || !e.checkVisibility({opacityProperty: true}) || e.closest("script, noscript, option, :disabled")) continue;
    const style = getComputedStyle(e), [a, b] = [light(rgba(style.color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(`${((a + 0.05) / (b + 0.05)).toFixed(2)} ${text.slice(0, 40)}`);
  }
  return faint;
}"""
"""Texts whose contrast to what is behind them is below 4.5, which WCAG 2.2 asks for at level AA (1.4.3)."""

WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
"""Pixels by which the page is wider than its window."""
