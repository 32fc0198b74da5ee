"""The studio's tabs for texts and rows, in a real browser, against a real server."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fields import letters, table
from tests.serve.studio.browsing import FAINT, NAMELESS, WIDE, Site, serving

__all__ = ["letters", "table"]


@pytest.fixture(scope="module")
def fields_site(tmp_path_factory: pytest.TempPathFactory, letters: Path, table: Path) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("fields"), bundles=(letters, table)) as site:
        yield site


def test_tabs_are_those_of_what_is_served(visit: Callable[..., Page], fields_site: Site, site: Site) -> None:
    page = visit("/", fields_site)
    views = page.get_by_role("navigation", name="Views")
    expect(views.get_by_role("link", name="Text")).to_be_visible()
    expect(views.get_by_role("link", name="Rows")).to_be_visible()
    expect(views.get_by_role("link", name="Create")).to_be_hidden()
    expect(page.get_by_label("Text", exact=True).first).to_be_visible()
    pictures = visit("/", site)
    expect(pictures.get_by_label("Prompt", exact=True)).to_be_visible()
    expect(pictures.get_by_role("link", name="Text")).to_be_hidden()


def test_a_hole_is_filled_and_the_file_comes_down(visit: Callable[..., Page], fields_site: Site) -> None:
    page = visit("/#/text", fields_site)
    prompt = page.get_by_role("textbox", name="Text")
    prompt.fill("letter says ")
    page.get_by_role("button", name="Insert a hole").click()
    expect(prompt).to_have_value("letter says [MASK*12]")
    page.get_by_label("Seed", exact=True).fill("3")
    prompt.press("Control+Enter")
    made = page.get_by_role("article", name="Text")
    expect(made).to_have_count(1)
    shown = made.locator(".written").inner_text()
    assert shown.startswith("letter says")
    with page.expect_download() as coming:
        made.get_by_role("button", name="Download").click()
    assert (
        Path(coming.value.path()).read_text().strip()
        == fields_site.service.store.get(fields_site.service.books.history("local")[0].outputs[0].sha256)
        .decode()
        .strip()
    )
    prompt.fill("undress her")
    page.get_by_role("button", name="Write").click()
    expect(page.get_by_text("undressing persons is not done here")).to_be_visible()


def test_rows_are_shown_and_come_down_as_csv(visit: Callable[..., Page], fields_site: Site) -> None:
    page = visit("/#/rows", fields_site)
    page.get_by_role("spinbutton", name="Rows", exact=True).fill("30")
    page.get_by_label("Where").fill("sex=F, age>20")
    page.get_by_role("button", name="Make rows").click()
    made = page.get_by_role("article", name="Rows")
    expect(made.locator("tbody tr")).to_have_count(20)
    assert set(made.locator("tbody tr td:first-child").all_inner_texts()) == {"F"}
    with page.expect_download() as coming:
        made.get_by_role("button", name="Download CSV").click()
    rows = list(csv.DictReader(Path(coming.value.path()).read_text().splitlines()))
    assert len(rows) == 30
    assert all(int(row["age"]) > 20 for row in rows)
    page.get_by_label("Where").fill("aeg>20")
    page.get_by_role("button", name="Make rows").click()
    expect(page.get_by_text("did you mean 'age'")).to_be_visible()
    page.goto(f"{fields_site.url}/#/history")
    expect(page.get_by_role("button", name="Download csv").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tab", ["text", "rows"])
def test_tabs_fit_a_small_screen_and_are_read_by_everybody(
    visit: Callable[..., Page], fields_site: Site, tab: str, scheme: str, tmp_path: Path
) -> None:
    page = visit(f"/#/{tab}", fields_site, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    if tab == "text":
        page.get_by_role("textbox", name="Text").fill("letter")
    page.get_by_role("button", name={"text": "Write", "rows": "Make rows"}[tab]).click()
    expect(page.get_by_role("article")).to_have_count(1)
    assert page.evaluate(WIDE) <= 0
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(FAINT) == []
    page.screenshot(path=tmp_path / f"{tab}-{scheme}.png", full_page=True)
