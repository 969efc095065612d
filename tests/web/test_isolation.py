"""Nobody sees or changes what belongs to another workspace: every address with foreign ids."""

from __future__ import annotations

import pytest
from django.urls import get_resolver, reverse
from django.urls.resolvers import URLPattern

from staff.actions import memory, people
from staff.models import Agent, ApiToken, Event, Goal
from tests.web import made
from tests.web.conftest import browser_of

WORDS = {"name": "header", "verb": "cancel"}


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
        "artifact_id": [done.artifacts.first().pk],
        "agent_id": [office.agents.first().pk],
        "token_id": [ApiToken.objects.get().pk],
        "memory_id": [kept.memory.pk],
    }


def test_the_matrix_covers_every_kind_of_id():
    kinds = {name for _, names in ADDRESSES for name in names}
    assert {"goal_id", "agent_id", "artifact_id", "memory_id", "plan_id", "token_id"} <= kinds
    assert len(ADDRESSES) > 20


@pytest.mark.parametrize(("name", "parameters"), ADDRESSES, ids=[name for name, _ in ADDRESSES])
def test_foreign_ids_do_not_exist(name, parameters, mine, outsider):
    before = (snapshot(Goal), snapshot(Agent), Event.objects.count())
    client = browser_of(outsider)
    for at in range(2):
        ids = {key: mine[key][at % len(mine[key])] for key in parameters if key in mine}
        path = reverse(name, kwargs=ids | {k: WORDS[k] for k in parameters if k in WORDS})
        json = {"content_type": "application/json"}
        statuses = [client.get(path).status_code, client.post(path).status_code]
        statuses += [client.post(path, "{}", **json).status_code]
        statuses += [client.patch(path, "{}", **json).status_code]
        assert set(statuses) <= {404, 405} and 404 in statuses, (path, statuses)
    assert (snapshot(Goal), snapshot(Agent), Event.objects.count()) == before


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


def test_lists_hold_ones_own_only(mine, outsider, teammate):
    for path in ("/api/v1/goals", "/api/v1/agents"):
        theirs = browser_of(outsider).get(path).json()["results"]
        ours = browser_of(teammate).get(path).json()["results"]
        assert not {row["id"] for row in theirs} & {row["id"] for row in ours}
        assert ours
    assert b"Total these invoices" not in browser_of(outsider).get("/goals").content
    assert b"Total these invoices" in browser_of(teammate).get("/goals").content


def snapshot(model):
    return list(model.objects.order_by("pk").values())
