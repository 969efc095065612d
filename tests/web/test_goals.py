"""Giving a goal and deciding about it, as forms and buttons do it."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from orchestrator import dispatch
from staff.models import Goal, Plan, Task
from tests.web import made
from tests.web.conftest import browser_of
from web.suggestions import suggestions

FORM = {"text": "Do it", "priority": "1", "autonomy": "ask", "time_unit": "minutes"}


def do(client, goal, verb, **data):
    return client.post(reverse("act", args=[goal.pk, verb]), data, headers={"hx-request": "true"})


def said(response):
    return json.loads(response["HX-Trigger"])["goal-acted"]


def test_three_clicks_from_an_empty_office(desk):
    first = suggestions()[0]
    form = desk.get(f"/goals/new?suggestion={first.folder}").content.decode()
    assert first.text in form and f'value="{first.folder}" selected' in form
    answer = desk.post("/goals/new", {**FORM, "text": first.text, "samples": first.folder})
    goal = Goal.objects.get()
    assert answer["Location"] == reverse("goal", args=[goal.pk])
    assert {a.name for a in goal.artifacts.all()} == {path.name for path in first.paths}


def test_files_terms_and_budget_reach_the_goal(desk):
    files = [SimpleUploadedFile("a.txt", b"one"), SimpleUploadedFile("a.txt", b"two")]
    files.append(SimpleUploadedFile("empty.txt", b""))
    terms = {"priority": "3", "deadline_at": "2999-01-31T17:00", "token_budget": "5000"}
    terms |= {"step_budget": "40", "depth_budget": "0"}
    answer = desk.post("/goals/new", {**FORM, **terms, "time_budget": "2", "files": files})
    assert answer.status_code == 302
    goal = Goal.objects.get()
    assert (goal.priority, goal.budget.token_cap, goal.budget.second_cap) == (3, 5000, 120)
    assert (goal.budget.step_cap, goal.budget.depth_cap) == (40, 0)
    assert [a.name for a in goal.artifacts.all()] == ["a.txt", "a (2).txt", "empty.txt"]
    assert dispatch.folder_of(goal).read("a (2).txt") == b"two"
    assert "empty" in goal.artifacts.get(name="empty.txt").problem


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("text", "  ", "Say what you want done"),
        ("text", "a\0b", "Null characters"),
        ("deadline_at", "2001-01-01T00:00", "passed already"),
        ("deadline_at", "soon", "Write it like"),
        ("token_budget", "0", "greater than or equal to 1"),
        ("token_budget", "9" * 40, "less than or equal to"),
        ("time_budget", "-3", "greater than or equal to 1"),
        ("step_budget", "0", "greater than or equal to 1"),
        ("depth_budget", "11", "less than or equal to 10"),
        ("priority", "9", "Select a valid choice"),
        ("samples", "../..", "Select a valid choice"),
    ],
)
def test_errors_stand_beside_the_field_and_nothing_is_lost(desk, field, value, word):
    typed = {**FORM, "text": "Keep this text", "token_budget": "777", field: value}
    answer = desk.post("/goals/new", typed)
    page = answer.content.decode()
    assert answer.status_code == 422 and not Goal.objects.exists()
    assert word in page and f'id="id_{field}-error"' in page
    if field not in ("text",):
        assert "Keep this text" in page
    if field != "token_budget":
        assert 'value="777"' in page


def test_approve_the_recommended_plan(desk, proposed):
    assert said(do(desk, proposed, "approve", plan=proposed.plans.first().pk))["good"]
    proposed.refresh_from_db()
    assert proposed.state == "running" and Task.objects.filter(goal=proposed).count() == 2
    late = said(do(desk, proposed, "approve"))
    assert not late["good"] and "running" in late["said"]


def test_reject_with_a_reason(desk, proposed):
    assert said(do(desk, proposed, "reject", reason="too long"))["good"]
    proposed.refresh_from_db()
    assert proposed.state == "planning"
    assert proposed.events.filter(kind="plan.rejected", data__reason="too long").exists()


def test_decide_about_exactly_what_was_asked(desk, asking):
    page = desk.get(reverse("panel", args=[asking.pk, "needs"])).content.decode()
    assert "write extra.csv: 1 row" in page
    approval = asking.approvals.get()
    assert said(do(desk, asking, "approve", approval=approval.pk))["good"]
    approval.refresh_from_db()
    assert approval.state == "granted"
    assert not said(do(desk, asking, "reject", approval=approval.pk))["good"]


def test_another_goals_approval_is_not_found(desk, asking, proposed):
    approval = asking.approvals.get()
    assert do(desk, proposed, "approve", approval=approval.pk).status_code == 404
    approval.refresh_from_db()
    assert approval.state == "open"


def test_pause_resume_cancel_retry(desk, boss, office):
    goal = made.running(boss, office)
    for verb, state, is_paused in (
        ("pause", "running", True),
        ("resume", "running", False),
        ("cancel", "cancelled", False),
        ("retry", "running", False),
    ):
        assert said(do(desk, goal, verb))["good"]
        goal.refresh_from_db()
        assert (goal.state, goal.is_paused) == (state, is_paused)
    assert not said(do(desk, goal, "retry"))["good"]


def test_buttons_work_without_scripts_too(desk, proposed):
    answer = desk.post(reverse("act", args=[proposed.pk, "pause"]), follow=True)
    assert "Paused." in answer.content.decode()


def test_a_disabled_button_says_why(desk, done):
    header = desk.get(reverse("panel", args=[done.pk, "header"])).content.decode()
    assert 'data-why="The goal has ended."' in header


def test_rating_and_budget(desk, done):
    assert not said(do(desk, done, "rate"))["good"]
    assert said(do(desk, done, "rate", rating="4", note="good"))["good"]
    assert said(do(desk, done, "budget", token_budget="100"))["good"]
    assert not said(do(desk, done, "budget", token_budget="9" * 30))["good"]
    done.refresh_from_db()
    assert (done.rating, done.rating_note, done.budget.token_cap) == (4, "good", 100)


@pytest.mark.parametrize("number", ["x", "-1", "9" * 30, "٣", "1.5"])
def test_ids_that_are_none(desk, proposed, number):
    assert do(desk, proposed, "approve", plan=number).status_code == 404


def test_a_viewer_sees_no_buttons_and_may_press_none(viewer, proposed):
    client = browser_of(viewer)
    page = client.get(reverse("goal", args=[proposed.pk])).content.decode()
    assert "/do/approve" not in page and "New goal" not in page
    assert do(client, proposed, "approve").status_code == 403
    assert client.post("/goals/new", FORM).status_code == 403


def test_the_result_is_rendered_and_tamed(desk, done):
    page = desk.get(reverse("panel", args=[done.pk, "answer"])).content.decode()
    assert "<strong>summary.md</strong>" in page
    assert "<h1>Totals</h1>" in page and '<td class="number">120.50</td>' in page
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_downloads_never_run_here(desk, done):
    file = done.artifacts.get(name="totals-0.csv")
    answer = desk.get(reverse("file-content", args=[done.pk, file.pk]))
    assert answer.content.startswith(b"vendor,sum")
    assert answer["Content-Disposition"] == 'attachment; filename="totals-0.csv"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]


def test_a_file_that_is_gone_is_said_plainly(desk, done):
    file = done.artifacts.get(name="totals-0.csv")
    (dispatch.folder_of(done).root / file.name).unlink()
    assert "no such file" in desk.get(reverse("file", args=[done.pk, file.pk])).content.decode()
    assert desk.get(reverse("file-content", args=[done.pk, file.pk])).status_code == 404


def edit_form(plan):
    """What the browser would send of an unchanged editor."""
    data = {}
    for number, step in enumerate(plan.body["steps"]):
        for name, value in step.items():
            text = "\n".join(value) if name in ("inputs", "outputs") else value
            data[f"s{number}-{name}"] = "" if value is None else text
    return data


@pytest.fixture
def plan(proposed):
    return proposed.plans.first()


@pytest.fixture
def editor(proposed, plan):
    return reverse("edit-plan", args=[proposed.pk, plan.pk])


def test_edit_and_approve(desk, proposed, plan, editor):
    data = {**edit_form(plan), "s1-title": "Write two pages", "operation": "approve"}
    assert desk.post(editor, data)["Location"] == reverse("goal", args=[proposed.pk])
    adopted = Plan.objects.get(goal=proposed, state="adopted")
    assert adopted.body["steps"][1]["title"] == "Write two pages"
    assert adopted.body["source"] == "boss"


def test_move_add_and_remove_keep_what_was_typed(desk, plan, editor):
    typed = {**edit_form(plan), "s0-title": "Typed", "s0-skill": "review"}
    down = desk.post(editor, {**typed, "operation": "down 0"}).content.decode()
    assert down.index("Write it") < down.index('value="Typed"')
    added = desk.post(editor, {**typed, "operation": "add"}).content.decode()
    assert 'name="s2-key" value="step-1"' in added and 'value="Typed"' in added
    removed = desk.post(editor, {**typed, "operation": "remove 0"}).content.decode()
    assert 'value="Typed"' not in removed and "s1-title" not in removed


@pytest.mark.parametrize("operation", ["up 0", "down 99", "remove x", "up", "", "fly 3"])
def test_operations_that_make_no_sense_change_nothing(desk, plan, editor, operation):
    page = desk.post(editor, {**edit_form(plan), "operation": operation})
    assert page.status_code == 200
    assert page.content.count(b"step-card") == 2


def test_a_plan_in_a_circle_is_refused_with_the_reason(desk, proposed, plan, editor):
    data = {**edit_form(plan), "s0-after": ["write"], "operation": "approve"}
    answer = desk.post(editor, data)
    assert answer.status_code == 422 and b"circle" in answer.content
    proposed.refresh_from_db()
    assert proposed.state == "proposed"


@pytest.mark.parametrize(
    "broken", [{"s0-title": ""}, {"s0-skill": "launch-rocket"}, {"s0-outputs": "x" * 300}]
)
def test_an_incomplete_step_is_named(desk, plan, editor, broken):
    answer = desk.post(editor, {**edit_form(plan), **broken, "operation": "approve"})
    assert answer.status_code == 422 and b'class="error"' in answer.content
