"""Models on the machines: shown, tended, measured."""

from __future__ import annotations

import json

import pytest

from orchestrator import dispatch
from orchestrator.inference.stats import EngineStats
from staff.actions import nodes, people, usage
from staff.models import ApiToken, Node
from tests.web.conftest import browser_of

NAME = "staff@here"


def state(name, state="loaded", **more):
    stats = EngineStats()
    stats.stepped(4, 0, 0.5)
    stats.stepped(0, 100, 1.0)
    stats.answered(200, 100, 8, 0.3)
    facts = {"name": name, "state": state, "is_pinned": False, "memory_bytes": 2**30, "reason": ""}
    return facts | {"stats": stats.snapshot() | {"queued": 2, "running": 1}} | more


@pytest.fixture
def node(db):
    nodes.register(NAME, 4)
    broken = state("broken", "quarantined", reason="it crashes its loader (SIGSEGV)")
    nodes.seen(NAME, [state("small"), broken])
    return Node.objects.get()


@pytest.fixture
def orders(monkeypatch):
    """What is sent to the nodes."""
    sent = []
    monkeypatch.setattr(
        dispatch.app.control,
        "broadcast",
        lambda command, arguments, destination: sent.append((command, arguments, destination)),
    )
    return sent


def test_the_page_shows_models_and_why_one_is_in_quarantine(desk, node):
    page = desk.get("/nodes").content.decode()
    assert "small" in page and "In memory" in page and "1 answered, 2 waiting" in page
    assert "Quarantined" in page and "crashes its loader (SIGSEGV)" in page
    assert page.count('value="unload"') == 1 and page.count('value="retry"') == 1


def test_buttons_reach_the_node(desk, node, orders):
    desk.post(f"/nodes/{NAME}/models", {"verb": "unload", "model": "small"})
    desk.post(f"/nodes/{NAME}/models", {"verb": "pin", "model": "small"})
    desk.post(f"/nodes/{NAME}/models", {"verb": "retry", "model": "broken"})
    assert [(c, a["verb"], d) for c, a, d in orders] == [
        ("tend_model", "unload", [NAME]),
        ("tend_model", "load", [NAME]),
        ("tend_model", "retry", [NAME]),
    ]
    assert nodes.seen(NAME, []).pins == ("small",)
    desk.post(f"/nodes/{NAME}/models", {"verb": "unpin", "model": "small"})
    assert nodes.seen(NAME, []).pins == ()
    said = desk.post(f"/nodes/{NAME}/models", {"verb": "eat", "model": "small"}, follow=True)
    assert "no model of this node" in said.content.decode()
    assert desk.post("/nodes/nobody/models", {"verb": "load", "model": "x"}).status_code == 404


def test_members_may_not(node, teammate, orders):
    answer = browser_of(teammate).post(f"/nodes/{NAME}/models", {"verb": "pin", "model": "small"})
    assert answer.status_code == 403 and not orders


def test_the_same_by_program(client, boss, office, node, orders):
    token = people.make_token(boss, office, "admin")
    headers = {"authorization": f"Bearer {token}"}
    (found,) = client.get("/api/v1/nodes", headers=headers).json()["results"]
    assert found["model_states"][0]["stats"]["rows"] == 4
    asked = json.dumps({"model": "small", "verb": "unload"})
    url, kind = f"/api/v1/nodes/{NAME}/models", "application/json"
    assert client.post(url, asked, kind, headers=headers).status_code == 202
    assert orders[0][1] == {"verb": "unload", "model": "small"}
    wrong = client.post(url, json.dumps({"model": "x", "verb": "eat"}), kind, headers=headers)
    assert wrong.status_code == 400


def test_metrics_for_prometheus(client, boss, office, teammate, node):
    assert client.get("/metrics").status_code == 401
    mine = people.make_token(teammate, office, "eye", scope="read")
    assert client.get("/metrics", headers={"authorization": f"Bearer {mine}"}).status_code == 403
    token = people.make_token(boss, office, "prometheus", scope="read")
    text = client.get("/metrics", headers={"authorization": f"Bearer {token}"}).content.decode()
    labels = '{model="small",node="staff@here"}'
    for line in (
        'forestaff_node_alive{node="staff@here"} 1.0',
        f"forestaff_engine_queued{labels} 2.0",
        f"forestaff_engine_prefill_tokens_per_second{labels} 100.0",
        f"forestaff_engine_decode_tokens_per_second{labels} 8.0",
        f"forestaff_engine_cache_hit_ratio{labels} 0.5",
        f"forestaff_engine_batch_occupancy{labels} 4.0",
        f"forestaff_engine_first_token_seconds_count{labels} 1.0",
    ):
        assert line in text, line


def test_what_a_token_uses_is_counted_by_day_and_shown(desk, boss, office):
    people.make_token(boss, office, "program", daily_tokens=5000)
    token = ApiToken.objects.get()
    usage.record(token.pk, "small", prompt=1000, cached=400, completion=100)
    usage.record(token.pk, "small", prompt=1000, cached=900, completion=100)
    row = token.usage.get()
    assert (row.requests, row.prompt_tokens, row.cached_tokens) == (2, 2000, 1300)
    assert "900 / 5,000" in desk.get("/settings/tokens").content.decode()
    usage.record(token.pk + 999, "small", prompt=1, cached=0, completion=0)  # revoked and gone
