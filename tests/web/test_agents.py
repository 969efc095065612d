"""The staff: hire, edit, reporting lines."""

from __future__ import annotations

import pytest
from django.urls import reverse

from staff.models import Agent, Outbox
from tests.web import made
from tests.web.conftest import browser_of
from web.agents.chart import reporting_lines

NEW = {"name": "Nils", "role": "translator", "is_active": "on", "tools": ["read_text", "finish"]}


def test_hire_someone(desk, office):
    lead = office.agents.first()
    answer = desk.post("/staff/hire", {**NEW, "lead": lead.pk, "model": "my-own.gguf"})
    agent = Agent.objects.get(name="Nils")
    assert answer["Location"] == reverse("member", args=[agent.pk])
    assert (agent.workspace, agent.lead, agent.model) == (office, lead, "my-own.gguf")
    assert agent.tools == ["read_text", "finish"]


def test_tasks_at_once(desk, office):
    agent = office.agents.first()
    path = reverse("member", args=[agent.pk])
    data = {"name": agent.name, "role": agent.role, "is_active": "on"}
    desk.post(path, {**data, "concurrency": "2"})
    assert Agent.objects.get(pk=agent.pk).concurrency == 2
    desk.post(path, {**data, "concurrency": ""})
    assert Agent.objects.get(pk=agent.pk).concurrency is None


def test_a_raised_limit_wakes_the_work_that_waits(desk, boss, office):
    goal = made.running(boss, office)
    agent = goal.tasks.get(state="ready").agent
    Agent.objects.filter(pk=agent.pk).update(concurrency=1)
    Outbox.objects.all().delete()
    data = {"name": agent.name, "role": agent.role, "is_active": "on", "concurrency": "3"}
    desk.post(reverse("member", args=[agent.pk]), data)
    assert Outbox.objects.get().job == "run_task"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"concurrency": "0"}, "greater than or equal to 1"),
        ({"concurrency": "x"}, "whole number"),
        ({"name": "Ada"}, "already someone"),
        ({"role": "two words"}, "valid “slug”"),
        ({"tools": ["fly"]}, "Select a valid choice"),
        ({"lead": "99999"}, "Select a valid choice"),
        ({"name": ""}, "required"),
    ],
)
def test_refusals_say_why(desk, change, word):
    answer = desk.post("/staff/hire", {**NEW, **change})
    assert answer.status_code == 422 and word in answer.content.decode()


def test_nobody_reports_to_their_own_report(desk, office):
    lead, report = office.agents.all()[:2]
    data = {"name": lead.name, "role": lead.role, "lead": report.pk}
    answer = desk.post(reverse("member", args=[lead.pk]), data)
    assert answer.status_code == 422 and b"cannot report" in answer.content


def test_a_lead_from_another_workspace_is_no_choice(desk, outsider):
    foreign = outsider.workspaces.get().agents.first()
    assert desk.post("/staff/hire", {**NEW, "lead": foreign.pk}).status_code == 422


def test_a_viewer_may_look_but_not_change(viewer, office):
    path = reverse("member", args=[office.agents.first().pk])
    assert browser_of(viewer).get(path).status_code == 200
    assert browser_of(viewer).post(path, NEW).status_code == 403
    assert browser_of(viewer).get("/staff/hire").status_code == 403


def test_the_chart_leaves_nobody_out():
    top = Agent(pk=1, name="a")
    lines = reporting_lines([Agent(pk=2, name="b", lead_id=1), top, Agent(pk=3, lead_id=77)])
    assert [line.agent.pk for line in lines] == [1, 3]
    assert [line.agent.pk for line in lines[0].reports] == [2]
