"""The machines: how they are, and what owners and admins may ask of them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from staff.actions import nodes, queue
from staff.models import Node, Outbox
from tests.web import made
from tests.web.conftest import browser_of
from tests.web.test_api import Program, error

NAME = "staff@here.example"


@pytest.fixture
def node(db):
    nodes.register(NAME, 4)
    return Node.objects.get()


@pytest.fixture
def program(boss, office):
    return Program(boss, office)


def test_alive_and_late(desk, node):
    page = desk.get("/nodes").content.decode()
    assert NAME in page and "Alive" in page and "Late" not in page
    Node.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    part = desk.get("/nodes", headers={"hx-request": "true"}).content.decode()
    assert "Late" in part and "5 minutes ago" in part and "<html" not in part


def test_no_node_is_explained(desk):
    assert "No worker has registered yet" in desk.get("/nodes").content.decode()


def test_what_it_works_on(desk, boss, office, node):
    goal = made.running(boss, office)
    assert queue.claim(NAME, 60)
    task = goal.tasks.get(state="running")
    page = desk.get("/nodes").content.decode()
    assert f'<a href="/goals/{goal.pk}#task-{task.pk}">Total 0</a> (Alan)' in page


def test_drain_resume_and_slots(desk, boss, office, node):
    made.running(boss, office)
    page = desk.post(f"/nodes/{NAME}/drain", follow=True).content.decode()
    assert f"{NAME} finishes what it has" in page and "Draining" in page
    assert queue.claim(NAME, 60) is None
    desk.post(f"/nodes/{NAME}/slots", {"slots": "2"})
    node.refresh_from_db()
    assert (node.slots, node.is_draining) == (2, True)
    Outbox.objects.all().delete()
    desk.post(f"/nodes/{NAME}/resume")
    assert Outbox.objects.filter(job="run_task").exists()  # what waits is nudged for at once
    node.refresh_from_db()
    assert (node.slots, node.is_draining) == (2, False) and queue.claim(NAME, 60)
    desk.post(f"/nodes/{NAME}/slots", {"slots": ""})
    assert Node.objects.get().slots is None


@pytest.mark.parametrize("slots", ["0", "-1", "x", "9" * 20, "1001"])
def test_slots_that_are_none_are_refused(desk, node, slots):
    page = desk.post(f"/nodes/{NAME}/slots", {"slots": slots}, follow=True).content.decode()
    assert 'class="toast error"' in page and Node.objects.get().slots is None


def test_what_is_not_there(desk, node):
    assert desk.post("/nodes/nobody/drain").status_code == 404
    assert desk.post(f"/nodes/{NAME}/explode").status_code == 404
    assert desk.post("/nodes/%00/drain").status_code == 404
    assert desk.get(f"/nodes/{NAME}/drain").status_code == 405


def test_admins_may_too(office, teammate, node):
    teammate.memberships.update(role="admin")
    assert browser_of(teammate).get("/nodes").status_code == 200
    assert b"/nodes" in browser_of(teammate).get("/settings/tokens").content
    teammate.memberships.update(role="member")
    assert b'href="/nodes"' not in browser_of(teammate).get("/settings/tokens").content


def test_by_program(program, node):
    (shown,) = program.get("/nodes").json()["results"]
    assert (shown["name"], shown["threads"], shown["slots"]) == (NAME, 4, None)
    assert (shown["is_late"], shown["is_draining"], shown["tasks_now"]) == (False, False, 0)
    assert program.patch(f"/nodes/{NAME}", {"slots": 3}).json()["slots"] == 3
    drained = program.patch(f"/nodes/{NAME}", {"is_draining": True}).json()
    assert (drained["slots"], drained["is_draining"]) == (3, True)
    assert program.patch(f"/nodes/{NAME}", {}).json() == drained
    assert program.patch(f"/nodes/{NAME}", {"slots": None}).json()["slots"] is None


@pytest.mark.parametrize(
    "body", [{"slots": 0}, {"slots": "x"}, {"is_draining": "maybe"}, {"slots": 10**12}]
)
def test_bad_limits_are_refused_with_the_field(program, node, body):
    answer = program.patch(f"/nodes/{NAME}", body)
    assert answer.status_code == 400 and set(error(answer)["fields"]) == set(body)


def test_no_such_node(program, node):
    assert error(program.patch("/nodes/nobody", {"slots": 1}))["code"] == "not_found"
    answer = program.client.patch("/api/v1/nodes/%00", json.dumps({}), "application/json")
    assert answer.status_code == 404


def test_a_token_that_reads_may_look_only(boss, office, node):
    reader = Program(boss, office, scope="read")
    assert reader.get("/nodes").status_code == 200
    assert reader.patch(f"/nodes/{NAME}", {"slots": 1}).status_code == 403
