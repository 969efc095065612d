"""Goals that give themselves, in a whole house: its own beat, workers, folder and web server."""

import httpx
import pytest

from tests.journeys.conftest import until

pytestmark = pytest.mark.model


@pytest.fixture
def api(house):
    """Leaves no routine and no open goal to the journeys after it."""
    with house.api() as client:
        yield client
        for routine in client.get("/routines").json()["results"]:
            client.delete(f"/routines/{routine['id']}")
        for goal in client.get("/goals").json()["results"]:
            if goal["state"] in ("planning", "proposed", "running"):
                client.post(f"/goals/{goal['id']}/cancel")


def routine(api, **fields):
    answer = api.post("/routines", json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def first_goal(api, made, seconds):
    """The goal that the house gave for a routine by itself."""

    def look():
        last = api.get(f"/routines/{made['id']}").json()["last_firing"]
        return last and last["goal"]

    return api.get(f"/goals/{until(look, seconds)}").json()


def test_a_file_that_is_dropped_becomes_a_goal(house, api):
    made = routine(api, name="Scans", text="File {files}", trigger="folder", folder="scans")
    (inbox,) = (house.data / "inbox").glob("*/scans")
    (inbox / "one.txt").write_text("Invoice 1, total EUR 12.00")
    goal = first_goal(api, made, 60)
    assert goal["text"] == "File one.txt"
    (file,) = api.get(f"/goals/{goal['id']}/artifacts").json()["results"]
    content = api.get(f"/goals/{goal['id']}/artifacts/{file['id']}/content").text
    assert content == "Invoice 1, total EUR 12.00"
    until(lambda: api.get(f"/goals/{goal['id']}").json()["last_seq"] > 2, 60)  # it is worked on


def test_a_minute_passes_and_the_schedule_gives_its_goal(house, api):
    made = routine(api, name="Minutes", text="It is {time}", trigger="schedule", cron="* * * * *")
    assert len(made["next_runs"]) == 5
    goal = first_goal(api, made, 120)
    due = api.get(f"/routines/{made['id']}/firings").json()["results"][-1]["due_at"]
    assert goal["text"] == f"It is {due[11:16]}"
    assert due == made["next_at"]


def test_a_program_calls_and_calls_again(house, api):
    made = routine(api, name="Tickets", text="Answer {files}", trigger="webhook")
    headers = {"Idempotency-Key": "ticket-7"}
    first, again = (
        httpx.post(made["hook_url"], json={"id": 7}, headers=headers, timeout=30) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["goal"] == again.json()["goal"] and again.json()["replayed"]
    secret = made["hook_url"].rsplit("/", 1)[1]
    api.post(f"/routines/{made['id']}/pause")
    assert httpx.post(made["hook_url"], json={"id": 8}, timeout=30).status_code == 409
    logs = house.data / "logs"
    until(lambda: "Conflict: /hooks/***" in (logs / "web.log").read_text(), 10)
    assert secret not in "".join(path.read_text() for path in logs.glob("*.log"))
