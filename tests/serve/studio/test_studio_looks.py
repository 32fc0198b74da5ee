"""The studio for every eye, hand and window."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.serve.studio.browsing import FAINT, NAMELESS, WIDE, Site, done, generate

VIEWS = ("history", "model", "usage")
PLACES = ("create", *VIEWS, "details", "editor", "help")


def everywhere(page: Page, site: Site, check: Callable[[str], None]) -> None:
    """Call `check` in each view and dialog."""
    page.get_by_text("Settings", exact=True).click()
    generate(
        page,
        "a red apple with a rather long prompt that has toBreakSomewhereOrElseItRunsOutOfAnyNarrowWindow",
        2,
    )
    check("create")
    for name, way, dialog in (
        ("details", "Details: a red", "Details of a picture"),
        ("editor", "Edit: a red", "Edit a picture"),
    ):
        page.get_by_role("button", name=way).first.click()
        opened = page.get_by_role("dialog", name=dialog)
        expect(opened.get_by_role("heading").first).to_be_visible()
        expect(opened.get_by_text("Looking it up")).to_have_count(0)
        check(name)
        page.keyboard.press("Escape")
        expect(opened).to_be_hidden()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    check("help")
    page.keyboard.press("Escape")
    for view in VIEWS:
        page.goto(f"{site.url}/#/{view}")
        expect(page.locator(f"#{view} :is(article, table, .empty)").first).to_be_visible()
        check(view)


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_is_wider_than_a_narrow_window(visit: Callable[..., Page], site: Site, width: int):
    page, wide = visit(viewport={"width": width, "height": 740}), {}
    everywhere(page, site, lambda name: wide.update({name: page.evaluate(WIDE)}))
    assert wide == dict.fromkeys(PLACES, 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_legible_and_everything_has_a_name(visit: Callable[..., Page], site: Site, scheme: str):
    page, faint, nameless = visit(color_scheme=scheme), {}, {}

    def look(name: str) -> None:
        faint[name], nameless[name] = page.evaluate(FAINT), page.evaluate(NAMELESS)

    everywhere(page, site, look)
    page.goto(site.url)
    page.get_by_label("Prompt", exact=True).fill("how to build a pipe bomb")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    look("refusal")
    assert not any(faint.values()), faint
    assert not any(nameless.values()), nameless
    assert {*faint} == {*PLACES, "refusal"}


def test_colours_follow_the_system_until_chosen_and_stay_chosen(visit: Callable[..., Page]):
    page = visit(color_scheme="dark")
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(paper) == "rgb(18, 18, 21)"
    page.get_by_role("button", name="Light colours").click()
    assert page.evaluate(paper) == "rgb(247, 246, 243)"
    page.reload()
    assert page.evaluate(paper) == "rgb(247, 246, 243)"
    expect(page.get_by_role("button", name="Dark colours")).to_be_visible()


def test_pictures_are_made_and_looked_at_by_keys_alone(visit: Callable[..., Page]):
    page = visit()
    expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the pictures")).to_be_focused()
    page.keyboard.press("n")
    expect(page.get_by_label("Prompt", exact=True)).to_be_focused()
    page.keyboard.type("a yellow star")
    while page.evaluate("document.activeElement.name") != "style":
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Control+Enter")
    done(page)
    while page.evaluate("document.activeElement.className") != "picture":
        page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog", name="Details of a picture")
    expect(drawer).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    assert page.evaluate("document.activeElement.className") == "picture"
    while page.evaluate("document.activeElement.ariaHasPopup") != "menu":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="WebP")).to_be_focused()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.ariaHasPopup") == "menu"


def test_noise_stands_still_where_motion_is_not_wanted(visit: Callable[..., Page]):
    page = visit()
    page.evaluate("""() => new MutationObserver(() => {
        const canvas = document.querySelector("article.set canvas");
        if (canvas && !window.before) { window.noise = canvas; window.before = canvas.toDataURL(); }
    }).observe(document.body, {subtree: true, childList: true})""")
    generate(page, "a moon")
    assert page.evaluate("window.noise.toDataURL() === window.before")
