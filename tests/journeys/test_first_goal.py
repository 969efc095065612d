"""The first five minutes in a real browser: three clicks to a finished goal, then a closer look."""

import os
import re
from pathlib import Path

import pytest

from tests.journeys.conftest import until

pytestmark = [pytest.mark.model, pytest.mark.browser]

SCREENSHOTS = os.environ.get("FORESTAFF_SCREENSHOTS")  # a folder: keep what the browser shows
PATIENCE_S = 600
TOP = {"x": 0, "y": 0, "width": 1280, "height": 1500}


def picture(page, name, **options):
    if SCREENSHOTS:
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        path = Path(SCREENSHOTS) / f"{name}.png"
        page.screenshot(path=path, caret="initial", **options)  # hiding it needs inline style


def transcript(page):
    """The transcript's text, once the page has caught up with its stream."""
    page.wait_for_selector("#transcript .milestone")
    page.wait_for_timeout(600)
    return page.inner_text("#transcript")


@pytest.fixture
def errors(page):
    """What the browser complained about: scripts, styles, anything that was refused."""
    heard = []
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("console", lambda line: heard.append(line.text) if line.type == "error" else None)
    return heard


def test_three_clicks_to_a_finished_goal(house, page, errors):
    page.goto(house.sign_in_link())
    picture(page, "home")

    page.click(".suggestions a >> nth=0")
    page.click("text=Give goal")
    page.wait_for_url(re.compile(r"/goals/\d+$"))
    page.set_default_timeout(PATIENCE_S * 1000)
    approve = page.locator(".candidate.best button", has_text="Approve")
    approve.wait_for()
    picture(page, "plans")
    approve.click()

    page.wait_for_selector("#transcript .work-body >> nth=1")
    socket_text = transcript(page)
    page.reload()
    assert transcript(page).startswith(socket_text[:200])  # the same history, drawn anew

    page.wait_for_selector("text=The result")
    until(lambda: page.locator("a", has_text="summary.md").count(), 20)
    assert page.locator("a", has_text="totals.csv").count()
    picture(page, "goal", full_page=True, clip=TOP)

    live = transcript(page)
    page.reload()
    page.wait_for_selector("text=The result")
    assert transcript(page) == live  # nothing missing, nothing doubled

    page.click(".files a >> text=totals.csv")
    page.wait_for_selector("#preview-body table")
    picture(page, "preview")
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.click(".files .download >> nth=0")
    assert Path(download.value.path()).stat().st_size > 0

    page.locator(".rate .score >> nth=4").click()
    page.click(".rate button")
    page.wait_for_selector("text=Your rating")
    assert errors == []


def test_a_sign_in_link_works_once(house, page):
    link = house.sign_in_link()
    page.goto(link)
    assert page.url.rstrip("/") == house.url
    page.context.clear_cookies()
    page.goto(link)
    assert "sign_in_link" in page.inner_text("main")


def test_bad_input_keeps_what_was_typed(house, page, tmp_path):
    page.goto(house.sign_in_link())
    page.goto(f"{house.url}/goals/new")
    page.click("summary:has-text('Priority')")
    page.fill("[name=deadline_at]", "2020-01-01T10:00")
    page.fill("[name=text]", "Sort my notes")
    page.click("text=Give goal")
    page.wait_for_selector("[name=text]")
    assert page.input_value("[name=text]") == "Sort my notes"
    assert "passed" in page.inner_text("main")


def test_the_staff_can_be_edited(house, page):
    page.goto(house.sign_in_link())
    page.goto(f"{house.url}/staff")
    picture(page, "staff")
    page.click("main a:has-text('Willa')")
    page.fill("[name=instructions]", "You write for a hurried reader.")
    page.click("main button:has-text('Save')")
    page.wait_for_load_state()
    page.goto(f"{house.url}/staff")
    page.click("main a:has-text('Willa')")
    assert page.input_value("[name=instructions]") == "You write for a hurried reader."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone(house, browser, scheme):
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    page.goto(house.sign_in_link())
    for path in ("/", "/goals/new", "/staff", "/goals"):
        page.goto(house.url + path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, f"{path} is {wide} px wide"
    picture(page, f"phone-{scheme}")
    context.close()
