"""One server and one browser for the tests of the studio, and a fresh profile for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.serve.studio.browsing import Site, browser_path, serving

QUICK = """if (!sessionStorage["ornstein.draft"]) sessionStorage["ornstein.draft"] =
    JSON.stringify({model: "emoji", num_inference_steps: 4, guidance_scale: 3, size: "64x64"})"""
"""Settings left over from before, so that pictures take four steps."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("open")) as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=browser_path())
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Opens the studio in a profile of its own; a test fails where the page breaks or its own policy is violated."""
    contexts, wrong = [], []

    def open_page(path: str = "/", where: Site = site, **options: object) -> Page:
        context = browser.new_context(reduced_motion="reduce", **options)
        context.add_init_script(QUICK)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda told: wrong.append(told.text) if "Security Policy" in told.text else None)
        page.goto(where.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong
