"""The staff worker is killed in mid-task; the goal goes on by itself and nothing is lost."""

import pytest

from tests.journeys.conftest import until
from tests.journeys.test_goal_by_api import ended, events, give

pytestmark = pytest.mark.model


def test_a_killed_worker_costs_nothing_but_time(house):
    with house.api() as api:
        goal = give(api, autonomy="act")
        until(lambda: any(e["kind"] == "task.started" for e in events(api, goal)), 200)
        worker = house.worker("staff")
        worker.kill()
        until(lambda: house.worker("staff").pid != worker.pid, 60)
        done = ended(api, goal)
        assert done["state"] == "done", done
        stream = events(api, goal)
        assert [event["seq"] for event in stream] == list(range(1, len(stream) + 1))
        assert sum(event["kind"] == "goal.done" for event in stream) == 1
        made = [e["data"]["file"] for e in stream if e["kind"] == "artifact.made"]
        assert "summary.md" in made
