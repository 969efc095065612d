"""What the boss does with a single task of a goal: on its page, and by program."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from staff.actions import control, planning, queue, tasks
from staff.domain.retries import FailureKind
from staff.models import Task
from tests.web import made
from tests.web.conftest import browser_of
from tests.web.test_api import Program, error
from tests.web.test_goals import said


@pytest.fixture
def running(boss, office):
    return made.running(boss, office, 3)


@pytest.fixture
def program(boss, office):
    return Program(boss, office)


def first(goal):
    return goal.tasks.earliest("position")


def do(client, task, verb, **data):
    path = reverse("act-task", args=[task.goal_id, task.pk, verb])
    return client.post(path, data, headers={"hx-request": "true"})


def plan(client, goal):
    return client.get(reverse("panel", args=[goal.pk, "plan"])).content.decode()


def row(page, task):
    """The part of the plan's list that shows a task."""
    return page.split(f'id="task-{task.pk}"')[1].split("<li id=")[0]


def test_pause_resume_cancel_rerun(desk, running):
    task = first(running)
    for verb, state, is_paused in (
        ("pause", "ready", True),
        ("resume", "ready", False),
        ("cancel", "cancelled", False),
        ("rerun", "ready", False),
    ):
        assert said(do(desk, task, verb))["good"], verb
        task.refresh_from_db()
        assert (task.state, task.is_paused) == (state, is_paused)


def test_a_rerun_takes_the_note_along(desk, done):
    task = first(done)
    assert said(do(desk, task, "rerun", note=" by quarter\0 "))["good"]
    task.refresh_from_db()
    assert (task.state, task.reasons) == ("ready", ["by quarter"])
    assert done.events.filter(kind="task.rerun", data__note="by quarter", actor="boss").exists()
    done.refresh_from_db()
    assert done.state == "running"


def test_reassign(desk, running, office):
    task, other = first(running), office.agents.get(name="Rosa")
    assert said(do(desk, task, "reassign", agent=other.pk))["said"] == "Rosa has it now: Total 0."
    task.refresh_from_db()
    assert task.agent == other
    nobody = said(do(desk, task, "reassign", agent=""))
    assert not nobody["good"] and "Choose" in nobody["said"]
    assert do(desk, task, "reassign", agent="x").status_code == 404
    office.agents.filter(pk=other.pk).update(is_active=False)
    assert not said(do(desk, task, "reassign", agent=other.pk))["good"]


def test_release_of_a_dead_letter(desk, running):
    task = made.lose(running, "no such column")
    page = row(plan(desk, running), task)
    assert "no such column" in page and "what the model made does not stand" in page
    assert page.count("<b>Failed</b>") == 3
    assert said(do(desk, task, "release"))["good"]
    running.refresh_from_db()
    assert running.state == "running"
    assert "do/release" not in plan(desk, running)


def test_the_second_of_two_is_told_and_nothing_is_lost(desk, teammate, running):
    task = made.lose(running, "no such column")
    assert said(do(desk, task, "release"))["good"]
    before = running.events.count()
    for verb, word in (("release", "Only a failed task"), ("rerun", "not over yet")):
        late = said(do(browser_of(teammate), task, verb, note="mine"))
        assert not late["good"] and word in late["said"]
    assert running.events.count() == before


def test_disabled_controls_say_why(desk, running):
    task = first(running)
    assert "It is not over yet" in row(plan(desk, running), task)
    made.claimed(running)
    assert "It is being worked on" in row(plan(desk, running), task)
    control.cancel(task.pk, running.boss)
    page = row(plan(desk, running), task)
    assert "The task is over." in page and "It is not over yet" not in page
    running.workspace.agents.exclude(pk=task.agent_id).update(is_active=False)
    assert "There is nobody else" in row(plan(desk, running), task)


def test_destructive_ones_ask_and_say_what_goes_with_it(desk, running):
    page = plan(desk, running)
    assert "Stop this task and the 2 that build on it?" in row(page, first(running))
    assert "Stop this task? The rest" in row(page, running.tasks.get(key="write"))


def test_a_paused_task_is_shown_as_paused_until_it_is_over(desk, running):
    task = first(running)
    do(desk, task, "pause")
    assert 'class="state paused"' in row(plan(desk, running), task)
    do(desk, task, "cancel")
    assert 'class="state cancelled"' in row(plan(desk, running), task)


def test_a_place_in_the_queue(desk, boss, office, running):
    second = made.running(boss, office)
    assert "next in the queue" in row(plan(desk, running), first(running))
    assert "2nd in the queue" in row(plan(desk, second), first(second))
    do(desk, first(running), "pause")
    assert "in the queue" not in row(plan(desk, running), first(running))
    assert "next in the queue" in row(plan(desk, second), first(second))


def test_a_goal_that_waits_to_be_planned_has_a_place_too(desk, boss, office):
    one, two = made.given(boss, office), made.given(boss, office)
    head = reverse("panel", args=[two.pk, "header"])
    assert "2nd in the queue" in desk.get(head).content.decode()
    assert planning.claim(one.pk, 60)
    assert "next in the queue" in desk.get(head).content.decode()
    assert planning.claim(two.pk, 60)
    assert "in the queue" not in desk.get(head).content.decode()


def test_the_time_of_the_next_try(desk, program, running):
    tasks.fail(made.claimed(running), "the disk is full", FailureKind.TOOL)
    task = first(running)
    assert "again in" in row(plan(desk, running), task)
    shown = program.get(f"/goals/{running.pk}").json()["tasks"][0]
    assert shown["not_before"] and shown["failure_kind"] == "tool" and shown["attempts_made"] == 1
    Task.objects.filter(pk=task.pk).update(not_before=timezone.now() - timedelta(seconds=1))
    assert "next in the queue" in row(plan(desk, running), task)


def test_who_handed_it_on(desk, program, running):
    parent, child = first(running), running.tasks.get(key="write")
    Task.objects.filter(pk=child.pk).update(parent=parent)
    page = row(plan(desk, running), child)
    assert f'Alan, <a href="#task-{parent.pk}">Total 0</a>' in page
    assert program.get(f"/goals/{running.pk}").json()["tasks"][2]["parent"] == parent.pk


def test_a_viewer_sees_how_tasks_stand_but_has_no_controls(viewer, running):
    client, task = browser_of(viewer), first(running)
    page = plan(client, running)
    assert "next in the queue" in page and "/do/" not in page
    for verb in ("pause", "cancel", "rerun", "reassign"):
        assert do(client, task, verb).status_code == 403
    assert Task.objects.get(pk=task.pk).state == "ready"


def test_buttons_work_without_scripts_too(desk, running):
    task = first(running)
    path = reverse("act-task", args=[running.pk, task.pk, "pause"])
    answer = desk.post(path)
    assert answer["Location"] == f"{reverse('goal', args=[running.pk])}#task-{task.pk}"
    assert "Paused: Total 0." in desk.get(answer["Location"]).content.decode()
    assert desk.get(path).status_code == 405
    path = reverse("act-task", args=[running.pk, task.pk, "explode"])
    assert desk.post(path).status_code == 404


def test_the_way_of_a_task_by_program(program, running, office):
    task, rosa = first(running), office.agents.get(name="Rosa")
    path = f"/goals/{running.pk}/tasks/{task.pk}"

    def ask(verb, body=None):
        answer = program.post(f"{path}/{verb}", body)
        assert answer.status_code == 200, answer.content
        return next(t for t in answer.json()["tasks"] if t["id"] == task.pk)

    assert ask("pause")["is_paused"] and ask("resume")["queue_position"] == 1
    assert ask("reassign", {"agent": rosa.pk})["agent"] == "Rosa"
    assert ask("cancel")["state"] == "cancelled"
    assert program.get(f"/goals/{running.pk}").json()["state"] == "cancelled"
    assert ask("rerun", {"note": "again"})["state"] == "ready"
    assert Task.objects.get(pk=task.pk).reasons == ["again"]
    made.lose(running, "no such column")
    assert ask("release")["state"] == "ready"


def test_refusals_by_program(program, running):
    task = first(running)
    path = f"/goals/{running.pk}/tasks/{task.pk}"
    assert error(program.post(f"{path}/release"))["code"] == "refused"
    assert program.post(f"{path}/cancel").status_code == 200
    late = program.post(f"{path}/cancel")
    assert late.status_code == 409 and error(late)["code"] == "illegal_transition"
    unknown = program.post(f"{path}/reassign", {"agent": 999_999})
    assert unknown.status_code == 400 and "agent" in error(unknown)["fields"]
    assert "agent" in error(program.post(f"{path}/reassign"))["fields"]
    assert "note" in error(program.post(f"{path}/rerun", {"note": "x" * 2001}))["fields"]
    assert "note" in error(program.post(f"{path}/rerun", {"note": "a\0b"}))["fields"]
    assert program.post(f"/goals/{running.pk}/tasks/999999/pause").status_code == 404


def test_reading_and_viewing_is_not_acting(boss, office, viewer, running):
    task = first(running)
    for program in (Program(viewer, office), Program(boss, office, scope="read")):
        for verb in ("pause", "cancel", "rerun", "release", "reassign"):
            answer = program.post(f"/goals/{running.pk}/tasks/{task.pk}/{verb}")
            assert answer.status_code == 403
    assert Task.objects.get(pk=task.pk).state == "ready"


def test_places_count_what_can_be_taken_only(boss, office, running):
    other = made.running(boss, office)
    assert queue.places(running.pk) == {first(running).pk: 1}
    assert queue.places(other.pk) == {first(other).pk: 2}
    made.dispatch.pause(running.pk, boss)
    assert queue.places(running.pk) == {} and queue.places(other.pk) == {first(other).pk: 1}


def test_a_child_goal_and_its_parent_know_each_other(desk, program, running):
    body = {"text": "Ask the bank", "parent": running.pk, "depth_budget": 1}
    child = program.post("/goals", body).json()
    assert child["parent"] == running.pk and child["depth_budget"] == 1
    assert program.get(f"/goals/{running.pk}").json()["children"] == [child["id"]]
    assert "Ask the bank" in desk.get(reverse("goal", args=[running.pk])).content.decode()
    page = desk.get(reverse("goal", args=[child["id"]])).content.decode()
    assert f'<a href="/goals/{running.pk}">Total these invoices</a>' in page
    for parent in (999_999, 0, "x"):
        answer = program.post("/goals", {"text": "x", "parent": parent})
        assert answer.status_code == 400 and "parent" in error(answer)["fields"]
