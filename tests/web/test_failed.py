"""Failed work: the list of dead letters, and the way back from it."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from staff.actions import nodes, tasks
from staff.actions.goals import GoalRefused
from staff.domain.retries import FailureKind
from staff.models import Task
from tests.web import made
from tests.web.conftest import browser_of
from tests.web.test_api import Program
from tests.web.test_goals import said


@pytest.fixture
def letter(boss, office):
    return made.lose(made.running(boss, office), "no such column: amount")


def release(client, *ids):
    return client.post("/failed/release", {"task": ids}, headers={"hx-request": "true"})


def test_nothing_failed_is_explained(desk):
    page = desk.get("/failed").content.decode()
    assert "Nothing has failed." in page and "until" not in page and "Release all" not in page


def test_all_that_was_tried_is_shown(desk, letter):
    page = desk.get("/failed").content.decode()
    assert f'href="/goals/{letter.goal_id}#task-{letter.pk}"' in page
    assert page.count("no such column: amount") == 4  # the reason, and three attempts
    assert "3 attempts" in page and page.count("worker ·") == 3
    assert "what the model made does not stand" in page


def test_the_newest_comes_first_and_pages_hold_25(desk, boss, office):
    for number in range(27):
        made.lose(made.running(boss, office, 1), f"reason {number}")
    page = desk.get("/failed").content.decode()
    assert page.index("reason 26") < page.index("reason 25")
    assert "reason 2<" in page and "reason 1<" not in page and "Page 1 of 2" in page
    older = desk.get("/failed?page=2", headers={"hx-request": "true"}).content.decode()
    assert "reason 1<" in older and "reason 26" not in older and "<html" not in older
    assert desk.get("/failed?page=x").status_code == 200


def test_one_click_releases(desk, letter):
    answer = said(release(desk, letter.pk))
    assert answer == {"said": "Released. It tries again.", "good": True}
    letter.refresh_from_db()
    assert letter.state == "ready" and "Nothing has failed." in desk.get("/failed").content.decode()


def test_the_whole_page_and_who_was_quicker(desk, boss, office, letter):
    other = made.lose(made.running(boss, office), "no such column: amount")
    made.dispatch.release_task(other.pk, boss)
    quicker = "Somebody was quicker: it goes on already."
    both = said(release(desk, letter.pk, other.pk))
    assert both == {"said": f"Released. It tries again. {quicker}", "good": True}
    assert said(release(desk, letter.pk, other.pk)) == {"said": quicker, "good": False}


def test_what_cannot_be_released_says_why(desk, boss, office, letter, monkeypatch):
    def refuse(task_id, boss):
        raise GoalRefused("Nobody waits for it any more.")

    monkeypatch.setattr("orchestrator.dispatch.release_task", refuse)
    answer = said(release(desk, letter.pk))
    assert answer == {"said": "Total 0: Nobody waits for it any more.", "good": False}


@pytest.mark.parametrize("ids", [[], [""], ["x"], ["1", "-1"], ["9" * 30]])
def test_ids_that_are_none(desk, letter, ids):
    assert release(desk, *ids).status_code == 404
    assert Task.objects.get(pk=letter.pk).state == "failed"


def test_a_viewer_looks_but_does_not_release(viewer, letter):
    client = browser_of(viewer)
    page = client.get("/failed").content.decode()
    assert "no such column" in page and "/failed/release" not in page
    assert release(client, letter.pk).status_code == 403


def test_the_navigation_counts_what_failed_and_was_not_judged(desk, boss, letter):
    assert 'class="count bad"' in desk.get("/goals").content.decode()
    made.dispatch.rate(letter.goal_id, boss, 1)
    assert 'class="count bad"' not in desk.get("/goals").content.decode()
    assert "no such column" in desk.get("/failed").content.decode()


def test_the_list_by_program(boss, office, letter):
    running = made.running(boss, office)
    tasks.fail(made.claimed(running), "not for good", FailureKind.TOOL)
    program = Program(boss, office)
    page = program.get("/dead-letters").json()
    assert page["count"] == 1
    (shown,) = page["results"]
    assert (shown["id"], shown["goal"]) == (letter.pk, letter.goal_id)
    assert (shown["failure_kind"], shown["attempts_made"]) == ("model", 3)
    assert [a["state"] for a in shown["attempts"]] == ["failed"] * 3
    assert {a["error"] for a in shown["attempts"]} == {"no such column: amount"}
    assert program.get("/dead-letters", limit=1, offset=1).json()["results"] == []
    answer = program.post(f"/goals/{letter.goal_id}/tasks/{letter.pk}/release")
    assert json.loads(answer.content)["state"] == "running"
    assert program.get("/dead-letters").json()["count"] == 0


@pytest.mark.parametrize("path", ["/failed", "/api/v1/dead-letters", "/goals", "/nodes"])
def test_the_number_of_queries_does_not_grow(desk, boss, office, path):
    def queries():
        with CaptureQueriesContext(connection) as caught:
            assert desk.get(path).status_code == 200
        return len(caught)

    made.lose(made.running(boss, office), "once"), made.claimed(made.running(boss, office))
    nodes.register("worker", 4)
    queries()
    before = queries()
    for number in range(4):
        made.lose(made.running(boss, office), "again"), made.claimed(made.running(boss, office))
        nodes.register(f"worker {number}", 4)
    assert queries() == before <= 16
