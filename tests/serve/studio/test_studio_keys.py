"""The studio where a key is wanted, and where things go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.serve.studio.browsing import Site, done, generate, serving


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("locked"), keys=True) as site:
        yield site


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Holds many pictures back, and keeps no prompts."""
    with serving(
        tmp_path_factory.mktemp("strict"), copies="{action: deny, alpha: 0.4}", prompts="hash"
    ) as site:
        yield site


def sign_in(page: Page, secret: str) -> None:
    page.locator("#key").fill(secret)
    page.get_by_role("button", name="Continue").click()


def test_two_keys_at_once_do_not_see_each_other(visit: Callable[..., Page], locked: Site):
    names = {"Ann": "a red apple", "Bob": "a green car"}
    pages = {name: visit(where=locked) for name in names}
    for name, page in pages.items():
        sign_in(page, locked.key(name))
    for name, page in pages.items():
        page.get_by_label("Prompt", exact=True).fill(names[name])
        page.get_by_label("1", exact=True).check()
        page.keyboard.press("Control+Enter")
    for page in pages.values():
        done(page)
    others = {}
    for name, page in pages.items():
        page.goto(locked.url + "/#/history")
        expect(page.locator("article.entry")).to_have_count(1)
        expect(page.locator("article.entry")).to_contain_text(names[name])
        others[name] = page.locator("article.entry figure").get_attribute("data-id")
    read = """(id) => fetch(`v1/outputs/${id}/content`, {
        headers: {Authorization: `Bearer ${sessionStorage["ornstein.key"]}`} }).then((r) => r.status)"""
    assert pages["Ann"].evaluate(read, others["Ann"]) == 200
    assert pages["Ann"].evaluate(read, others["Bob"]) == 404


def test_a_key_that_is_not_known_is_told_and_a_good_one_lets_in_until_signed_out(
    visit: Callable[..., Page], locked: Site
):
    page = visit(where=locked)
    sign_in(page, "orn_wrong")
    expect(page.get_by_role("alert")).to_contain_text("not known")
    sign_in(page, locked.key("Cleo"))
    expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
    page.get_by_role("button", name="Key Cleo: sign out").click()
    expect(page.get_by_role("dialog", name="API key")).to_be_visible()
    assert page.evaluate("sessionStorage['ornstein.key'] ?? null") is None


def test_beyond_a_limit_the_page_counts_down_until_it_may_be_tried_again(
    visit: Callable[..., Page], locked: Site
):
    page = visit(where=locked)
    sign_in(page, locked.key("Dora", requests_per_minute=1))
    generate(page, "a red apple")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("more than your limit")
    again = page.get_by_role("button", name="Try again in")
    expect(again).to_be_disabled()
    first = again.inner_text()
    expect(again).not_to_have_text(first)


def test_a_picture_that_is_held_back_says_why_beside_those_that_are_not(
    visit: Callable[..., Page], strict: Site
):
    page = visit(where=strict)
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("Seed", exact=True).fill("4")
    page.get_by_label("Steps").fill("14")
    page.get_by_label("Prompt", exact=True).fill("a castle")
    page.keyboard.press("Control+Enter")
    expect(page.locator("article.set").get_by_role("status")).to_contain_text("the others were held back")
    held = page.locator("article.set .held")
    assert 0 < held.count() < 4
    expect(held.first).to_contain_text("(copies)")
    expect(page.locator("article.set figure img")).to_have_count(4 - held.count())


def test_prompts_that_the_server_does_not_keep_are_known_to_their_tab_alone(
    visit: Callable[..., Page], strict: Site
):
    page = visit(where=strict)
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("Seed", exact=True).fill("4")
    page.get_by_label("Steps").fill("14")
    page.get_by_label("Prompt", exact=True).fill("a castle")
    page.keyboard.press("Control+Enter")
    expect(page.locator("article.set").get_by_role("status")).to_contain_text("the others were held back")
    page.goto(strict.url + "/#/history")
    expect(page.locator("article.entry").first).to_contain_text("a castle")
    other = visit("/#/history", where=strict)
    expect(other.locator("article.entry").first).to_contain_text("Prompt not kept")
    other.get_by_label("Search the history").fill("a castle")  # its hash is known
    expect(other.get_by_text("Found for “a castle”")).to_be_visible()
    other.get_by_label("Search the history").fill("a fortress")
    expect(other.get_by_text("Nothing found")).to_be_visible()


def test_a_server_out_of_reach_is_told_and_found_again(visit: Callable[..., Page]):
    page = visit()
    expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
    page.context.set_offline(True)
    page.get_by_label("Prompt", exact=True).fill("a cat")
    page.get_by_label("1", exact=True).check()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#banner")).to_contain_text("cannot be reached")
    page.context.set_offline(False)
    expect(page.locator("#banner")).to_be_hidden()
    page.get_by_role("button", name="Try again").click()
    done(page)


def test_a_server_that_still_loads_is_waited_for(visit: Callable[..., Page], locked: Site):
    locked.service.state = "loading"
    try:
        page = visit(where=locked)
        sign_in(page, locked.key("Emil"))
        expect(page.locator("#banner")).to_contain_text("loading")
    finally:
        locked.service.state = "ready"
    expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
    expect(page.locator("#banner")).to_be_hidden()


def test_only_the_page_itself_is_served_and_nothing_foreign_may_run_in_it(
    visit: Callable[..., Page], site: Site
):
    page = visit()
    for path in (
        "/studio/__init__.py",
        "/studio/",
        "/studio/styles/../__init__.py",
        "/studio/%2e%2e/service.py",
    ):
        assert page.request.get(site.url + path).status == 404
    policy = page.request.get(site.url + "/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    fetched = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    assert fetched
    assert all(name.startswith((site.url, "blob:" + site.url)) for name in fetched)


def test_words_of_a_model_or_a_prompt_are_never_read_as_markup(visit: Callable[..., Page]):
    page = visit()
    generate(page, "<img src=x onerror=alert(1)> apple")
    expect(page.get_by_role("heading", name="<img src=x onerror=alert(1)> apple")).to_be_visible()
    assert page.locator('img[src="x"]').count() == 0
