"""Nobody sees or changes what belongs to another workspace: every address with foreign ids."""

from __future__ import annotations

import pytest
from django.urls import get_resolver, reverse
from django.urls.resolvers import URLPattern

from staff.actions import memory, nodes, people, queue
from staff.models import Agent, ApiToken, Event, Goal, Node, Routine, Task
from tests.web import made
from tests.web.conftest import browser_of

WORDS = {"name": "header", "verb": "cancel"}
ROUTINE_VERBS = ("run", "pause", "resume", "delete", "secret")


def named(patterns, found=None):
    """(name, parameters) of each of our addresses that carries an id."""
    found = [] if found is None else found
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            parameters = set(pattern.pattern.converters)
            if any(name.endswith("_id") for name in parameters):
                found.append((pattern.name, parameters))
        elif pattern.app_name != "admin":
            named(pattern.url_patterns, found)
    return found


ADDRESSES = named(get_resolver("web.urls").url_patterns)


@pytest.fixture
def mine(boss, office):
    """Ids of everything that the boss has, in goals of every kind."""
    proposed, done = made.proposed(boss, office), made.done(boss, office)
    people.make_token(boss, office, "mine")
    (kept,) = memory.remember(memory.scope_of(office), [memory.Draft("ours")])
    return {
        "goal_id": [proposed.pk, done.pk],
        "plan_id": [proposed.plans.first().pk],
        "task_id": [done.tasks.first().pk],
        "artifact_id": [done.artifacts.first().pk],
        "agent_id": [office.agents.first().pk],
        "routine_id": [made.routine(boss, office, kind).pk for kind in ("schedule", "webhook")],
        "token_id": [ApiToken.objects.get().pk],
        "memory_id": [kept.memory.pk],
        "document_id": [made.document(boss, office, "ours.md", b"# Ours\n\nOnly ours.").pk],
    }


def test_the_matrix_covers_every_kind_of_id():
    kinds = {name for _, names in ADDRESSES for name in names}
    assert {"goal_id", "task_id", "agent_id", "artifact_id", "plan_id", "token_id"} <= kinds
    assert {"routine_id", "memory_id", "document_id"} <= kinds and len(ADDRESSES) > 36


@pytest.mark.parametrize(("name", "parameters"), ADDRESSES, ids=[name for name, _ in ADDRESSES])
def test_foreign_ids_do_not_exist(name, parameters, mine, outsider):
    before = everything()
    client = browser_of(outsider)
    for at in range(2):
        ids = {key: mine[key][at % len(mine[key])] for key in parameters if key in mine}
        path = reverse(name, kwargs=ids | {k: WORDS[k] for k in parameters if k in WORDS})
        json = {"content_type": "application/json"}
        statuses = [client.get(path).status_code, client.post(path).status_code]
        statuses += [client.post(path, "{}", **json).status_code]
        statuses += [client.patch(path, "{}", **json).status_code]
        statuses += [client.delete(path).status_code]
        assert set(statuses) <= {404, 405} and 404 in statuses, (path, statuses)
    assert everything() == before


def test_an_own_goal_with_a_foreign_part_does_not_exist_either(mine, outsider):
    own = made.proposed(outsider, outsider.workspaces.get())
    client = browser_of(outsider)
    artifact, plan = mine["artifact_id"][0], mine["plan_id"][0]
    for path in (
        reverse("file", args=[own.pk, artifact]),
        reverse("file-content", args=[own.pk, artifact]),
        reverse("api-artifact", args=[own.pk, artifact]),
        reverse("edit-plan", args=[own.pk, plan]),
    ):
        assert client.get(path).status_code == 404, path
    answer = client.post(
        reverse("api-approve", args=[own.pk]), {"plan": plan}, content_type="application/json"
    )
    assert answer.status_code == 400
    own.refresh_from_db()
    assert own.state == "proposed"


TASK_VERBS = ("pause", "resume", "cancel", "rerun", "release", "reassign")


@pytest.mark.parametrize("verb", TASK_VERBS)
def test_an_own_goal_with_a_foreign_task_does_not_exist_either(mine, outsider, verb):
    own = made.running(outsider, outsider.workspaces.get())
    agent = own.tasks.first().agent_id
    before, client = everything(), browser_of(outsider)
    foreign = mine["task_id"][0]
    for path in (
        reverse("act-task", args=[own.pk, foreign, verb]),
        reverse(f"api-{verb}-task", args=[own.pk, foreign]),
    ):
        assert client.post(path, {"agent": agent}).status_code == 404, path
    assert everything() == before


def test_own_work_goes_to_no_foreign_agent(mine, outsider):
    own = made.running(outsider, outsider.workspaces.get()).tasks.first()
    agent, client = mine["agent_id"][0], browser_of(outsider)
    path = reverse("act-task", args=[own.goal_id, own.pk, "reassign"])
    assert client.post(path, {"agent": agent}).status_code == 404
    path = reverse("api-reassign-task", args=[own.goal_id, own.pk])
    assert client.post(path, {"agent": agent}).status_code == 400
    assert Task.objects.get(pk=own.pk).agent_id == own.agent_id


def test_foreign_dead_letters_are_neither_seen_nor_released(boss, office, outsider, teammate):
    goal = made.running(boss, office)
    letter = made.lose(goal, "no such column")
    client, before = browser_of(outsider), everything()
    assert b"no such column" not in client.get("/failed").content
    assert client.get("/api/v1/dead-letters").json()["results"] == []
    client.post("/failed/release", {"task": [letter.pk]})
    assert everything() == before
    assert b"no such column" in browser_of(teammate).get("/failed").content
    assert browser_of(teammate).get("/api/v1/dead-letters").json()["count"] == 1


def test_a_goal_serves_none_of_another_workspace(mine, outsider):
    client, foreign = browser_of(outsider), mine["goal_id"][0]
    body = {"text": "x", "parent": foreign}
    answer = client.post("/api/v1/goals", body, content_type="application/json")
    assert answer.status_code == 400 and "parent" in answer.json()["error"]["fields"]
    assert not Goal.objects.filter(parent=foreign).exists()


def test_machines_are_for_those_who_look_after_them(boss, office, teammate, viewer):
    nodes.register("staff@here", 4)
    task = made.running(boss, office).tasks.first()
    queue.claim("staff@here", 60, task.pk)
    for user in (teammate, viewer):
        client = browser_of(user)
        assert client.get("/nodes").status_code == 403
        assert client.post("/nodes/staff@here/drain").status_code == 403
        assert client.get("/api/v1/nodes").status_code == 403
        patch = {"data": {"is_draining": True}, "content_type": "application/json"}
        assert client.patch("/api/v1/nodes/staff@here", **patch).status_code == 403
    assert not Node.objects.get().is_draining


def test_a_node_shows_no_titles_of_another_workspace(boss, office, outsider):
    nodes.register("staff@here", 4)
    task = made.running(boss, office).tasks.first()
    queue.claim("staff@here", 60, task.pk)
    theirs = browser_of(outsider).get("/nodes").content.decode()
    assert task.title not in theirs and "1 task of another workspace" in theirs
    assert task.title in browser_of(boss).get("/nodes").content.decode()


def test_no_verb_reaches_a_foreign_routine(mine, outsider, viewer):
    before = everything()
    for routine_id in mine["routine_id"]:
        for verb in ROUTINE_VERBS:
            path = reverse("act-routine", args=[routine_id, verb])
            assert browser_of(outsider).post(path).status_code == 404
            assert browser_of(viewer).post(path).status_code == 403
    assert everything() == before


def test_lists_hold_ones_own_only(mine, outsider, teammate):
    for path in ("/api/v1/goals", "/api/v1/agents", "/api/v1/routines"):
        theirs = browser_of(outsider).get(path).json()["results"]
        ours = browser_of(teammate).get(path).json()["results"]
        assert not {row["id"] for row in theirs} & {row["id"] for row in ours}
        assert ours
    made.routine(outsider, outsider.workspaces.get(), name="Their own")
    assert b"Every schedule" not in browser_of(outsider).get("/routines").content
    assert b"Every schedule" in browser_of(teammate).get("/routines").content
    assert b"Total these invoices" not in browser_of(outsider).get("/goals").content
    assert b"Total these invoices" in browser_of(teammate).get("/goals").content


def everything():
    return (*map(snapshot, (Goal, Agent, Task, Routine)), Event.objects.count())


def snapshot(model):
    return list(model.objects.order_by("pk").values())
