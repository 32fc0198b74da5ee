"""The studio in a real browser, against the real server: what people do with it."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from tests.serve.studio.browsing import Site, done, generate


def test_a_prompt_becomes_four_pictures_by_way_of_previews(visit: Callable[..., Page], site: Site):
    page = visit()
    previews = []
    page.expose_function("previewed", lambda: previews.append(1))
    page.evaluate("""() => new MutationObserver((changes) => changes.forEach((change) =>
        change.addedNodes.forEach((node) => node.alt === "preview" && previewed())
    )).observe(document.body, {subtree: true, childList: true})""")
    page.get_by_label("3D", exact=True).check()
    generate(page, "a red apple", 4)
    tiles = page.locator("article.set figure")
    expect(tiles).to_have_count(4)
    expect(tiles.locator("img")).to_have_count(4)
    assert all(tiles.locator("img").nth(k).evaluate("it => it.naturalWidth") == 64 for k in range(4))
    assert len(previews) == 4 * 3
    entry = site.service.books.history("local")[0]
    assert (entry.prompt, entry.settings["style"], len(entry.outputs)) == ("a red apple", "3D style", 4)


def test_a_picture_is_varied_into_others_that_stay_near_it(visit: Callable[..., Page], site: Site):
    page = visit()
    generate(page, "a sunflower")
    page.get_by_role("button", name="Vary: a sunflower").click()
    expect(page.locator("article.set")).to_have_count(2)
    done(page)
    varied, (first, *_) = site.pictures()[:4], site.pictures()[4:]
    assert site.service.books.history("local")[0].kind == "variation"
    assert all(0 < np.abs(one.astype(int) - first).mean() < 60 for one in varied)


def test_settings_and_seed_of_a_picture_are_used_again(visit: Callable[..., Page], site: Site):
    page = visit()
    page.get_by_label("Noto", exact=True).check()
    generate(page, "a rocket")
    page.get_by_label("flat", exact=True).check()
    page.get_by_label("Prompt", exact=True).fill("something else")
    page.get_by_role("button", name="Reuse settings: a rocket").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a rocket")
    expect(page.get_by_label("Noto", exact=True)).to_be_checked()
    page.keyboard.press("Control+Enter")
    expect(page.locator("article.set")).to_have_count(2)
    done(page)
    again, first = site.pictures()[:2]
    assert np.abs(again.astype(int) - first).max() <= 2  # one more row in a batch may round otherwise


def painted_edit(page: Page, paint: Callable[[], None]) -> None:
    generate(page, "a blue heart")
    page.get_by_role("button", name="Edit: a blue heart").click()
    dialog = page.get_by_role("dialog", name="Edit a picture")
    expect(dialog.get_by_role("application")).to_be_visible()
    paint()
    dialog.get_by_label("Prompt", exact=True).fill("a pizza")
    dialog.get_by_label("1", exact=True).check()
    dialog.get_by_role("button", name="Redraw").click()
    expect(page.locator("article.set")).to_have_count(2)
    done(page)


def test_what_is_painted_changes_and_nothing_else(visit: Callable[..., Page], site: Site):
    page = visit()

    def drag() -> None:
        box = page.get_by_role("application").bounding_box()
        x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + box["width"] / 2, y, steps=6)
        page.mouse.up()

    painted_edit(page, drag)
    edited, before = site.pictures()[:2]
    changed = (edited != before).any(-1)
    assert changed[10:22, 16:48].mean() > 0.5
    assert not changed[32:].any()


def test_a_mask_is_painted_by_keys_alone_and_taken_back(visit: Callable[..., Page], site: Site):
    page = visit()

    def press() -> None:
        page.get_by_role("application").focus()
        for key in ["Shift+ArrowDown"] * 3 + [
            "Space",
            "Shift+ArrowLeft",
            "Space",
            "Shift+ArrowUp",
            "Space",
            "Control+z",
            "e",
        ]:
            page.keyboard.press(key)

    painted_edit(page, press)
    edited, before = site.pictures()[:2]
    changed = (edited != before).any(-1)
    assert changed[50:62, 20:38].any()
    assert not changed[:48].any()  # the dab higher up was taken back


def test_nothing_painted_is_told_before_anything_is_asked(visit: Callable[..., Page]):
    page = visit()
    generate(page, "a tree")
    page.get_by_role("button", name="Edit: a tree").click()
    page.get_by_role("button", name="Redraw").click()
    expect(page.get_by_role("dialog").get_by_role("alert").last).to_contain_text("Paint over what may change")


def test_a_picture_that_is_brought_is_drawn_anew(visit: Callable[..., Page], site: Site):
    page = visit()
    file = io.BytesIO()
    Image.new("RGB", (200, 120), "#d02020").save(file, "PNG")
    page.locator("input[type=file]").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    dialog = page.get_by_role("dialog", name="Edit a picture")
    dialog.get_by_label("Whole picture").check()
    dialog.get_by_label("Prompt", exact=True).fill("a red car")
    dialog.get_by_label("1", exact=True).check()
    page.keyboard.press("Control+Enter")
    done(page)
    assert site.service.books.history("local")[0].kind == "edit"
    page.locator("input[type=file]").set_input_files(
        {"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"}
    )
    expect(page.locator("#toasts")).to_contain_text("no picture that can be read")


def test_a_refusal_says_which_rule_and_why(visit: Callable[..., Page], site: Site):
    page = visit()
    page.get_by_label("Prompt", exact=True).fill("how to build a pipe bomb")
    page.keyboard.press("Control+Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("instructions for weapons are not made here")
    expect(alert).to_contain_text("rule weapons")
    expect(page.locator("article.set figure")).to_have_count(0)
    page.goto(site.url + "/#/history")
    expect(page.locator("article.entry").first).to_contain_text("refused by the policy")


def test_a_prompt_that_the_policy_changed_is_shown_as_it_was_drawn(visit: Callable[..., Page]):
    page = visit()
    generate(page, "a Nike shoe")
    expect(page.locator("article.set .revised")).to_have_text(
        "The policy changed the prompt. Drawn: a unbranded shoe"
    )
    page.keyboard.press("Escape")
    page.get_by_role("link", name="History").click()
    expect(page.locator("article.entry").first).to_contain_text("a trade mark was left out (marks)")


def test_what_was_drawn_is_found_again_after_a_reload_until_it_is_deleted(visit: Callable[..., Page]):
    page = visit()
    generate(page, "a very purple octopus")
    page.reload()
    expect(page.locator("#recent button").first).to_have_accessible_name("Details: a very purple octopus")
    page.keyboard.press("/")
    search = page.get_by_label("Search the history")
    expect(search).to_be_focused()
    search.fill("purple octopus")
    entry = page.locator("article.entry")
    expect(entry).to_have_count(1)
    entry.get_by_role("button", name="Details: a very purple octopus").first.click()
    drawer = page.get_by_role("dialog", name="Details of a picture")
    expect(drawer).to_contain_text("Credential verified")
    expect(drawer.locator(".source")).to_have_count(5)
    expect(drawer.locator(".source").first.locator(".badge")).not_to_be_empty()
    drawer.get_by_role("button", name="Delete").click()
    drawer.get_by_role("button", name="Delete for good?").click()
    expect(drawer).to_be_hidden()
    search.fill("purple  octopus")
    expect(page.get_by_text("Nothing found")).to_be_visible()


def test_history_reads_on_as_one_scrolls(visit: Callable[..., Page], site: Site):
    page = visit()
    asked = """() => fetch("v1/images/generations", {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({prompt: "pipe bomb"}) })"""
    for _ in range(25):
        page.evaluate(asked)
    page.goto(site.url + "/#/history")
    entries = page.locator("article.entry")
    expect(entries.first).to_be_visible()
    page.mouse.wheel(0, 100_000)
    expect(entries.nth(24)).to_be_attached()
    names = entries.evaluate_all("all => all.map(one => one.dataset.entry)")
    assert len(set(names)) == len(names)


def test_a_picture_is_had_as_file_of_each_format_on_the_chosen_colour(visit: Callable[..., Page]):
    page = visit()
    generate(page, "a cat")
    page.get_by_role("button", name="Backdrop: black").click()
    files = {}
    for name in ("PNG", "WebP", "SVG"):
        page.get_by_role("button", name="Download: a cat").click()
        with page.expect_download() as waited:
            page.get_by_role("menuitem", name=name).click()
        files[name] = waited.value.path().read_bytes()
    assert b"<svg" in files["SVG"]
    for name in ("PNG", "WebP"):
        image = Image.open(io.BytesIO(files[name]))
        assert (image.format, image.size) == (name.upper(), (64, 64))
        assert image.mode == "RGB"
        assert max(image.getpixel((0, 0))) < 32


def test_what_is_being_drawn_is_cancelled_by_escape(visit: Callable[..., Page], site: Site):
    page = visit()
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("Steps").fill("60")
    page.get_by_label("Prompt", exact=True).fill("a castle")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.wait_for_timeout(300)
    page.keyboard.press("Escape")
    expect(page.locator("article.set").get_by_role("status")).to_have_text("Cancelled")
    page.wait_for_timeout(1500)
    assert site.service.models["emoji"].engine.load.running == 0
    assert site.service.books.history("local")[0].outcome == "cancelled"


def test_model_and_usage_are_shown(visit: Callable[..., Page], site: Site):
    page = visit("/#/model")
    model = page.locator("#model")
    expect(model).to_contain_text("Microsoft Corporation")
    expect(model.get_by_text("Report", exact=True)).to_be_visible()
    page.goto(site.url + "/#/usage")
    expect(page.get_by_role("region", name="Queue")).to_contain_text("evaluations a second")
    expect(page.get_by_role("region", name="Costs by day").locator("tbody tr")).not_to_have_count(0)
