"""The goal's page in a real browser, over plain HTTP: without a socket it must keep up too."""

from __future__ import annotations

import os
import shutil

import pytest
from django.conf import settings

from staff.actions import questions, tasks
from staff.actions.streams import News
from staff.domain.retries import FailureKind
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


def test_hold_a_task_and_let_it_go_on(page, boss, office):
    goal = made.running(boss, office, 3)
    task = goal.tasks.earliest("position")
    row = page.locator(f"#task-{task.pk}")
    page.goto(f"/goals/{goal.pk}#task-{task.pk}")
    assert "next in the queue" in row.locator("summary").first.inner_text()
    row.get_by_role("button", name="Pause").click()
    page.wait_for_selector(f"#task-{task.pk} .state.paused")
    row.get_by_role("button", name="Resume").click()
    page.wait_for_selector(f"#task-{task.pk} .state.ready")
    page.wait_for_selector(f"#work-{task.pk} .line:last-child:has-text('boss let it go on')")
    row.get_by_role("button", name="Re-run").click(force=True)  # it is disabled, and says why
    page.wait_for_selector(".toast.error:has-text('It is not over yet')")
    assert task.events.filter(kind__in=("task.paused", "task.resumed")).count() == 2
    assert page.refused == []


def test_run_a_task_again_with_a_note(page, boss, office):
    goal = made.done(boss, office)
    task = goal.tasks.earliest("position")
    row, asked = page.locator(f"#task-{task.pk}"), []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    page.goto(f"/goals/{goal.pk}#task-{task.pk}")
    page.fill(f"#task-{task.pk}-note", "by quarter")
    with page.expect_response("**/panels/plan"):  # as when anything else happens
        page.evaluate("htmx.trigger('#plan', 'refresh')")
    page.keyboard.type(", and not by month")
    page.wait_for_selector("#plan:not(.htmx-request):not(.htmx-settling)")
    assert page.input_value(f"#task-{task.pk}-note") == "by quarter, and not by month"
    row.get_by_role("button", name="Re-run from here").click()
    page.wait_for_selector(f"#task-{task.pk} .state.ready")
    assert "the task that builds on it" in asked[0]
    page.wait_for_selector(".line.ask:has-text('by quarter, and not by month')")
    page.wait_for_selector("#answer .result", state="detached")
    assert page.input_value(f"#task-{task.pk}-note") == ""
    task.refresh_from_db()
    assert task.reasons == ["by quarter, and not by month"]
    assert page.refused == []


def test_release_from_the_page_of_failed_work(page, boss, office):
    letters = [made.lose(made.running(boss, office), f"reason {n}") for n in range(3)]
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/goals")
    page.click(".tabs a:has-text('Failed work')")
    page.evaluate("window.isSamePage = true")
    first = page.locator(f"#letter-{letters[1].pk}")
    first.locator("summary").click()
    assert first.locator(".attempts > li").count() == 3
    page.click(f"#letter-{letters[2].pk} button")
    page.wait_for_selector(f"#letter-{letters[2].pk}", state="detached")
    page.wait_for_selector(".toast:has-text('Released')")
    assert first.locator("details").get_attribute("open") is not None
    page.click("text=Release all of this page")
    page.wait_for_selector("text=Nothing has failed.")
    assert page.evaluate("window.isSamePage")
    assert not Task.objects.filter(state="failed").exists()
    assert page.refused == []


def test_two_at_once_the_second_is_told_and_sees_what_the_first_did(page, boss, office, teammate):
    goal = made.running(boss, office)
    task = goal.tasks.earliest("position")
    page.goto(f"/goals/{goal.pk}#task-{task.pk}")
    page.on("dialog", lambda dialog: dialog.accept())
    made.dispatch.cancel_task(task.pk, teammate)
    page.locator(f"#task-{task.pk}").get_by_role("button", name="Cancel").click()
    page.wait_for_selector(".toast.error:has-text('cancelled')")
    page.wait_for_selector(f"#task-{task.pk} .state.cancelled")
    page.wait_for_selector(f"#work-{task.pk} .line:has-text('teammate cancelled it')")


def test_the_transcript_knows_all_that_happens_and_bears_what_it_does_not_know(page, boss, office):
    goal = made.running(boss, office)
    held = made.claimed(goal)
    task = goal.tasks.get(pk=held.task_id)
    told = {
        "task.handed_on": {"child": 7, "to": "Rosa", "skill": "review", "instruction": "Check"},
        "question.asked": {"question": 1, "text": "Which year?"},
        "question.answered": {"question": 1, "text": "Which year?", "answer": "2026"},
        "task.cancelled": {"reason": "Nobody waits for it."},
        "budget.spent": {"question": 2, "reason": "The budget of 9 tokens is spent."},
        "task.teleported": {"text": "to Mars", "deep": {"er": [1]}},
        "effects.intended": {"effects": None},  # a form that nobody writes
    }
    for kind, data in told.items():
        tasks.tell(held, News(kind, data))
    tasks.fail(held, "the disk is full", FailureKind.TOOL)
    made.dispatch.raise_budget(goal.pk, boss, token_budget=90_000, second_budget=None)
    page.goto(f"/goals/{goal.pk}")
    page.wait_for_selector("text=changed the budget: 90,000 tokens")
    lines = " | ".join(page.locator(f"#work-{task.pk} .line").all_inner_texts())
    for said in (
        "hands on to Rosa (review): Check",
        "Stopped. Nobody waits for it.",
        "Asks you: Which year?",
        "answered: 2026",
        "The budget of 9 tokens is spent.",
        "task teleported: to Mars",
        "effects intended",
        "Tries again (in 2 s) tool the disk is full",
    ):
        assert said in lines
    assert "task ready" not in lines
    assert page.refused == []


def test_answers_from_the_inbox_and_the_goal_s_page(page, boss, office):
    choice, free, spent = (made.running(boss, office) for _ in range(3))
    questions.ask(made.claimed(choice), "a" * 64, "Which table?", ["sales.csv", "staff.csv"])
    questions.ask(made.claimed(free), "b" * 64, "Which year?")
    made.use(spent, tokens=120, cap=100)
    questions.ask_for_budget(made.claimed(spent), "The budget of 100 tokens is spent.")

    page.goto("/")
    page.click("button:has-text('staff.csv')")
    page.wait_for_selector("button:has-text('staff.csv')", state="detached")
    assert choice.questions.get().answer == "staff.csv"

    page.goto(f"/goals/{spent.pk}")
    page.fill("#more_token_budget", "110")
    with page.expect_response("**/panels/needs"):
        page.click("#needs button")
    page.wait_for_selector(".toast.error:has-text('120 tokens are used already')")
    assert page.input_value("#more_token_budget") == "110"
    page.fill("#more_token_budget", "5000")
    page.click("#needs button")
    page.wait_for_selector("#needs .ask", state="detached")

    page.goto(f"/goals/{free.pk}")
    page.fill("#needs textarea", "2026")
    free.questions.update(state="withdrawn")  # by somebody else, meanwhile
    page.click("#needs button:has-text('Answer')")
    page.wait_for_selector(".toast.error:has-text('not asked any more')")
    free.questions.update(state="open")
    page.reload()
    page.fill("#needs textarea", "2026")
    page.click("#needs button:has-text('Answer')")
    page.wait_for_selector("#needs textarea", state="detached")
    assert free.questions.get().answer == "2026"
    assert page.refused == []
