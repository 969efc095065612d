"""Goals with plans of a given form, made through the actions."""

from __future__ import annotations

import pytest

from staff.actions import goals, planning
from staff.models import Goal, Task


def step(key, *after, **fields):
    return {
        "key": key,
        "title": key.capitalize(),
        "skill": "write-report",
        "agent_role": "writer",
        "instruction": "",
        "after": list(after),
        "inputs": [],
        "outputs": [f"{key}.md"],
        "reviews": None,
        **fields,
    }


@pytest.fixture
def give(office, boss):
    """give(step("a"), step("b", "a"), priority=3) -> a goal that runs these steps."""

    def make(*steps, **options) -> Goal:
        goal = goals.create(office, boss, "Do it", **options)
        fence = planning.claim(goal.pk, 60)
        body = {"source": "model", "summary": "", "steps": list(steps)}
        planning.propose(goal.pk, fence, [planning.RankedPlan(body, 1.0, "")])
        goals.approve_plan(goal.pk, boss)
        goal.refresh_from_db()
        return goal

    return make


def task_of(goal, key) -> Task:
    return Task.objects.get(goal=goal, key=key)


def states(goal) -> dict[str, str]:
    return dict(Task.objects.filter(goal=goal).values_list("key", "state"))
