"""A program gives a goal, watches it, approves the plan, fetches what was made."""

import pytest

from tests.journeys.conftest import until

pytestmark = pytest.mark.model

INVOICES = {
    "birch.txt": "Birch & Sons Ltd\nInvoice no: B-1042\nDate: 2026-03-04\nTotal due: EUR 120.50\n",
    "cedar.txt": "CEDAR GmbH\nInvoice no: C-77\nDate: 2026-03-09\n\nTotal due: EUR 1,310.00\n",
}
GOAL = "Total these invoices per vendor, flag duplicates, and write me a one-page summary"


@pytest.fixture(scope="module")
def api(house):
    with house.api() as client:
        yield client


def give(api, **fields):
    files = [("files", (name, text.encode())) for name, text in INVOICES.items()]
    files += [("files", ("empty.txt", b"")), ("files", ("broken.pdf", b"%PDF-1.7 not really"))]
    answer = api.post("/goals", data={"text": GOAL, **fields}, files=files)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def ended(api, goal):
    def look():
        answer = api.get(f"/goals/{goal}")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return found if found["state"] in ("done", "failed", "cancelled") else None

    return until(look, 400)


def events(api, goal):
    found, after = [], 0
    while page := api.get(f"/goals/{goal}/events", params={"after": after}).json()["results"]:
        found += page
        after = page[-1]["seq"]
    return found


def test_the_whole_way_by_api(api):
    goal = give(api)
    proposed = until(
        lambda: (g := api.get(f"/goals/{goal}").json())["state"] == "proposed" and g, 200
    )
    assert proposed["plans"]
    assert api.post(f"/goals/{goal}/approve", json={}).status_code == 200
    done = ended(api, goal)
    assert done["state"] == "done", done
    assert done["answer"]

    made = {a["name"]: a for a in api.get(f"/goals/{goal}/artifacts").json()["results"]}
    assert {"records.csv", "totals.csv", "summary.md"} <= set(made)
    totals = api.get(f"/goals/{goal}/artifacts/{made['totals.csv']['id']}/content")
    assert totals.status_code == 200 and totals.text.splitlines()[0]

    assert "empty" in made["empty.txt"]["problem"]
    assert made["broken.pdf"]["problem"]

    stream = events(api, goal)
    assert [event["seq"] for event in stream] == list(range(1, len(stream) + 1))
    kinds = {event["kind"] for event in stream}
    assert {"plan.adopted", "model.text", "program.written", "effect.committed"} <= kinds

    assert api.post(f"/goals/{goal}/rate", json={"rating": 5}).status_code == 200
    assert api.get(f"/goals/{goal}").json()["rating"] == 5


def test_cancel_is_seen_within_two_seconds(api, house):
    goal = give(api, autonomy="act")
    until(lambda: any(e["kind"] == "model.text" for e in events(api, goal)), 120)
    assert api.post(f"/goals/{goal}/cancel").status_code == 200
    assert api.get(f"/goals/{goal}").json()["state"] == "cancelled"
    seen = len(events(api, goal))
    until(lambda: len(events(api, goal)) == seen, 10, every=2.0)


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"text": ""}, 400, "text"),
        ({"text": "x", "priority": "sometime"}, 400, "priority"),
        ({"text": "x", "token_budget": -1}, 400, "token_budget"),
        ({}, 400, "text"),
    ],
)
def test_bad_goals_are_refused_with_the_field(api, body, status, word):
    answer = api.post("/goals", json=body)
    assert answer.status_code == status
    assert word in answer.text


def test_plans_that_cannot_be_carried_out_are_refused(api):
    goal = give(api)
    until(lambda: api.get(f"/goals/{goal}").json()["state"] == "proposed", 200)
    step = {"key": "a", "skill": "extract-records", "agent_role": "analyst", "after": ["b"]}
    circle = {"steps": [step, {**step, "key": "b", "after": ["a"]}]}
    answer = api.post(f"/goals/{goal}/approve", json={"edited": circle})
    assert answer.status_code == 400 and "circle" in answer.text
    unknown = {"steps": [{**step, "after": [], "skill": "launch-rocket"}]}
    answer = api.post(f"/goals/{goal}/approve", json={"edited": unknown})
    assert answer.status_code == 400 and "launch-rocket" in answer.text
    assert api.get(f"/goals/{goal}").json()["state"] == "proposed"
    assert api.post(f"/goals/{goal}/cancel").status_code == 200
