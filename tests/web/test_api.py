"""The API: what a program can do, and that nothing it sends brings the house down."""

from __future__ import annotations

import io
import json

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator import dispatch
from staff.actions import people
from staff.models import Agent, Goal
from tests.web import made
from web.api.serializers import Approve, GiveGoal, Rate, Reject

V1 = "/api/v1"
JSON = {"content_type": "application/json"}


class Program:
    """A program with a token."""

    def __init__(self, user, workspace, scope="act"):
        secret = people.make_token(user, workspace, "test", scope=scope)
        self.client = Client(headers={"authorization": f"Bearer {secret}"})

    def get(self, path, **query):
        return self.client.get(V1 + path, query)

    def post(self, path, body=None):
        return self.client.post(V1 + path, json.dumps(body or {}), **JSON)

    def patch(self, path, body):
        return self.client.patch(V1 + path, json.dumps(body), **JSON)


@pytest.fixture
def program(boss, office):
    return Program(boss, office)


def error(answer):
    body = answer.json()
    assert set(body) == {"error"} and {"code", "message"} <= set(body["error"])
    return body["error"]


def test_give_a_goal_with_files(program):
    files = [io.BytesIO(b"one"), io.BytesIO(b"two")]
    for number, file in enumerate(files):
        file.name = f"{number}.txt"
    answer = program.client.post(
        f"{V1}/goals", {"text": "Sum up", "priority": "urgent", "files": files}
    )
    assert answer.status_code == 201, answer.content
    goal = Goal.objects.get(pk=answer.json()["id"])
    assert goal.priority == 3
    listed = program.get(f"/goals/{goal.pk}/artifacts").json()["results"]
    assert [a["name"] for a in listed] == ["0.txt", "1.txt"]
    content = program.get(f"/goals/{goal.pk}/artifacts/{listed[1]['id']}/content")
    assert content.content == b"two" and "sandbox" in content["Content-Security-Policy"]


def test_the_way_of_a_goal(program, boss, office):
    goal = made.proposed(boss, office)
    shown = program.get(f"/goals/{goal.pk}").json()
    assert shown["state"] == "proposed" and [p["rank"] for p in shown["plans"]] == [0, 1]
    second = shown["plans"][1]["id"]
    assert program.post(f"/goals/{goal.pk}/approve", {"plan": second}).json()["state"] == "running"
    assert len(program.get(f"/goals/{goal.pk}").json()["tasks"]) == 1
    late = program.post(f"/goals/{goal.pk}/reject")
    assert late.status_code == 409 and error(late)["code"] == "illegal_transition"
    for verb in ("pause", "resume", "cancel", "retry", "cancel"):
        assert program.post(f"/goals/{goal.pk}/{verb}").status_code == 200, verb
    assert program.post(f"/goals/{goal.pk}/rate", {"rating": 2}).json()["rating"] == 2
    assert program.post(f"/goals/{goal.pk}/budget", {"token_budget": 9}).json()["token_budget"] == 9


def test_approve_an_edited_plan(program, proposed):
    edited = made.steps(3).to_json()
    answer = program.post(f"/goals/{proposed.pk}/approve", {"edited": edited})
    assert answer.status_code == 200 and len(answer.json()["tasks"]) == 3


def test_approvals_show_and_decide_effects(program, asking):
    (open_one,) = program.get(f"/goals/{asking.pk}").json()["approvals"]
    assert open_one["effects"][0]["arguments"] == {"name": "extra.csv"}
    body = {"approval": open_one["id"], "reason": "use the planned name"}
    assert program.post(f"/goals/{asking.pk}/reject", body).json()["approvals"] == []
    assert asking.tasks.get(key="s0").reasons == ["use the planned name"]


def test_events_come_in_pages_without_gaps(program, done):
    seen, last = [], 0
    while page := program.get(f"/goals/{done.pk}/events", after=last, limit=3).json()["results"]:
        assert len(page) <= 3
        seen += [event["seq"] for event in page]
        last = seen[-1]
    assert seen == list(range(1, done.last_seq + 1))


def test_goals_are_filtered_and_paged(program, boss, office, done):
    made.proposed(boss, office)
    assert program.get("/goals", state="done").json()["count"] == 1
    first = program.get("/goals", limit=1).json()
    assert first["count"] == 2 and len(first["results"]) == 1 and first["next"]
    assert program.get("/goals", offset="9" * 40).json()["results"] == []


def test_the_staff(program, office):
    made_one = program.post("/agents", {"name": "Nils", "role": "translator", "tools": ["finish"]})
    assert made_one.status_code == 201, made_one.content
    path = f"/agents/{made_one.json()['id']}"
    assert program.patch(path, {"is_active": False}).json()["is_active"] is False
    assert program.get(path).json()["tools"] == ["finish"]
    assert Agent.objects.get(name="Nils").instructions == ""
    assert program.patch(path, {"concurrency": 2}).json()["concurrency"] == 2
    assert program.patch(path, {"concurrency": None}).json()["concurrency"] is None
    assert "concurrency" in error(program.patch(path, {"concurrency": 0}))["fields"]
    assert "no tool called fly" in error(program.patch(path, {"tools": ["fly"]}))["message"]
    assert program.post("/agents", {"name": "Nils", "role": "x"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": "a\0b"}, "text"),
        ({"text": "\ud800"}, "text"),
        ({"text": ["x"]}, "text"),
        ({"text": "x" * 20_001}, "text"),
        ({"text": "x", "priority": "sometime"}, "priority"),
        ({"text": "x", "priority": [1]}, "priority"),
        ({"text": "x", "token_budget": -1}, "token_budget"),
        ({"text": "x", "token_budget": 10**30}, "token_budget"),
        ({"text": "x", "second_budget": "many"}, "second_budget"),
        ({"text": "x", "deadline_at": "9999-12-31T23:59:59-23:59"}, "deadline_at"),
        ({"text": "x", "autonomy": "wild"}, "autonomy"),
        ({"text": "x", "files": ["a.txt"]}, "files"),
    ],
)
def test_bad_goals_are_refused_with_the_field(program, body, field):
    answer = program.post("/goals", body)
    if field == "deadline_at" and answer.status_code == 201:
        pytest.fail("a deadline that no clock can show was accepted")
    assert answer.status_code == 400
    assert field in error(answer)["fields"]
    assert not Goal.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [b"{", b"\xff\xfe", b"[" * 100_000, b"[1]", b"null", b'"x"', b'{"text": NaN}', b"1" * 9000],
)
def test_bodies_that_are_no_object(program, raw):
    answer = program.client.post(f"{V1}/goals", raw, **JSON)
    assert answer.status_code == 400
    error(answer)


@pytest.mark.parametrize(
    ("edited", "word"),
    [
        ("x", "list called"),
        ({"steps": []}, "no steps"),
        ({"steps": [{"key": "a"}]}, "no skill"),
        ({"steps": [{"key": "a" * 41, "skill": "review", "agent_role": "writer"}]}, "key has"),
        ({"steps": [{"key": "\ud800", "skill": "review", "agent_role": "writer"}]}, "no text"),
        ({"steps": [{"key": "a", "skill": "rocket", "agent_role": "writer"}]}, "rocket"),
        ({"steps": [{"key": "a", "skill": "review", "agent_role": "pilot"}]}, "pilot"),
    ],
)
def test_plans_that_cannot_be_carried_out(program, proposed, edited, word):
    answer = program.post(f"/goals/{proposed.pk}/approve", {"edited": edited})
    assert answer.status_code == 400 and word in error(answer)["message"]
    proposed.refresh_from_db()
    assert proposed.state == "proposed"


@pytest.mark.parametrize("query", ["after=x", "after=-1", "limit=0", f"after={9 * 10**40}"])
def test_bad_queries(program, proposed, query):
    answer = program.client.get(f"{V1}/goals/{proposed.pk}/events?{query}")
    assert answer.status_code == 400
    error(answer)


def test_who_may_do_what(boss, office, viewer, proposed):
    stranger = Client().get(f"{V1}/goals")
    assert stranger.status_code == 401 and stranger["WWW-Authenticate"] == "Bearer"
    error(stranger)
    bad = Client(headers={"authorization": "Bearer fs_\xff"}).get(f"{V1}/goals")
    assert bad.status_code == 401
    for program in (Program(viewer, office), Program(boss, office, scope="read")):
        assert program.get(f"/goals/{proposed.pk}").status_code == 200
        for path in (f"/goals/{proposed.pk}/approve", "/goals", "/agents"):
            answer = program.post(path, {"text": "x"})
            assert answer.status_code == 403 and "may" in error(answer)["message"]


def test_a_token_ends_with_the_seat(boss, office, teammate):
    program = Program(teammate, office)
    assert program.get("/goals").status_code == 200
    teammate.memberships.all().delete()
    assert program.get("/goals").status_code == 401


def test_sessions_need_the_csrf_token(boss, office):
    client = Client(enforce_csrf_checks=True)
    client.force_login(boss)
    assert client.get(f"{V1}/goals").status_code == 200
    assert client.post(f"{V1}/goals", "{}", **JSON).status_code == 403


def test_no_such_address_is_json_too(program):
    assert error(program.get("/nothing"))["code"] == "not_found"
    assert error(program.get("/goals/99999999999999999999"))["code"] == "not_found"
    assert error(program.client.delete(f"{V1}/goals"))["code"] == "method_not_allowed"


def test_the_schema_names_every_operation(db):
    schema = Client().get(f"{V1}/schema?format=json")
    operations = {o["operationId"] for m in schema.json()["paths"].values() for o in m.values()}
    assert {"give_goal", "list_goals", "approve_goal", "list_events", "hire_agent"} <= operations
    assert {"rerun_task", "release_task", "list_dead_letters", "limit_node"} <= operations


def test_the_database_away_is_said_plainly(program, monkeypatch):
    from django.db import OperationalError

    def away(*args):
        raise OperationalError("gone")

    monkeypatch.setattr("staff.queries.search_goals", away)
    answer = program.get("/goals")
    assert answer.status_code == 503 and error(answer)["code"] == "unavailable"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    sorted(
        {*GiveGoal().fields, *Approve().fields, *Reject().fields, *Rate().fields, "name", "role"}
    )
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    verb=st.sampled_from(["", "/approve", "/reject", "/pause", "/rate", "/budget", "/retry"]),
    body=st.dictionaries(fields, values, max_size=5),
    infinite=st.booleans(),
)
def test_whatever_is_sent_nothing_breaks(program, proposed, verb, body, infinite):
    text = json.dumps({**body, "more": float("inf")} if infinite else body)
    paths = [f"/goals/{proposed.pk}{verb}" if verb else "/goals", "/agents"]
    for path in paths:
        answer = program.client.post(V1 + path, text, **JSON)
        assert answer.status_code < 500
        if answer.status_code >= 400:
            error(answer)
    agent = Agent.objects.first()
    assert program.client.patch(f"{V1}/agents/{agent.pk}", text, **JSON).status_code < 500


def test_a_refused_goal_leaves_no_files(program, monkeypatch, tmp_path, settings):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dispatch.GoalFolder, "write", full)
    file = io.BytesIO(b"x")
    file.name = "a.txt"
    answer = program.client.post(f"{V1}/goals", {"text": "x", "files": [file]})
    assert answer.status_code == 400 and "No space left" in error(answer)["message"]
    assert not Goal.objects.exists()
