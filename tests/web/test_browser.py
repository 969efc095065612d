"""The goal's page in a real browser, over plain HTTP: without a socket it must keep up too."""

from __future__ import annotations

import os
import shutil

import pytest
from django.conf import settings

from staff.actions import tasks
from staff.actions.streams import News
from staff.models import Task
from tests.web import made
from tests.web.conftest import browser_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WORDS = [f"word{n}" for n in range(30)]


@pytest.fixture
def page(boss, live_server, monkeypatch):
    """The boss, signed in; what the policy refused is gathered in page.refused."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("NO BROWSER: install Chromium; the live page is NOT tested")
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop of its own
    cookie = browser_of(boss).cookies[settings.SESSION_COOKIE_NAME]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(base_url=live_server.url)
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.refused = []
        page.on("pageerror", lambda wrong: page.refused.append(str(wrong)))
        page.on("console", lambda m: "Policy" in m.text and page.refused.append(m.text))
        yield page
        browser.close()


def say(held, *words):
    for word in words:
        tasks.tell(held, News("model.text", {"call": "c1", "text": f"{word} "}))


def spoken(page):
    return page.locator(".work .entry pre").first.text_content().split()


def test_plans_approval_words_and_reload(page, boss, office):
    goal = made.proposed(boss, office)
    page.goto(f"/goals/{goal.pk}")
    page.fill("#reject-reason", "half a sentence")
    page.click(".candidate.best button:has-text('Approve')")
    page.wait_for_selector("#plan svg .node.ready")
    assert page.locator("#needs .candidate").count() == 0

    held = made.claimed(goal)
    tasks.tell(
        held, News("model.call", {"call": "c1", "purpose": "read birch.txt", "model": "tiny"})
    )
    say(held, *WORDS[:20])
    page.wait_for_selector(".entry.speaking:has-text('word19')")
    assert page.locator(".work-head", has_text="Total 0").count() == 1
    say(held, *WORDS[20:])
    page.wait_for_selector("text=word29")
    assert spoken(page) == WORDS

    page.reload()
    page.wait_for_selector(".entry pre", state="attached")
    assert spoken(page) == WORDS
    assert page.refused == []


def test_the_result_and_its_files_appear_by_themselves(page, boss, office):
    goal = made.running(boss, office)
    page.goto(f"/goals/{goal.pk}")
    page.wait_for_selector("#transcript .line")
    while Task.objects.filter(goal=goal, state="ready").exists():
        made.work(goal, made.claimed(goal))
    page.wait_for_selector("#answer .paper h1:has-text('Totals')")
    page.click("#files a:has-text('totals-0.csv')")
    page.wait_for_selector("dialog#preview[open] td.number:has-text('120.50')")
    page.keyboard.press("Escape")
    page.click(".score:has-text('4')")
    page.click(".rate button")
    page.wait_for_selector("#answer h2:has-text('Your rating')")
    goal.refresh_from_db()
    assert goal.rating == 4
    assert page.refused == []
